using System.Text.Json.Serialization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>Which part of the corpus a text belongs to.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Split>))]
public enum Split
{
    /// <summary>Trained on.</summary>
    Train,

    /// <summary>Looked at during training, to stop or to choose.</summary>
    Validation,

    /// <summary>Looked at once, at the end.</summary>
    Test,
}

/// <summary>How the split was made.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SplitMode>))]
public enum SplitMode
{
    /// <summary>By hash of each document's group.</summary>
    HashOfGroup,

    /// <summary>Too few groups: the last part of the text is held out.</summary>
    TailOfText,
}

/// <summary>Shares of the three splits; each above 0, summing to 1.</summary>
public sealed record SplitFractions(double Train = 0.90, double Validation = 0.05, double Test = 0.05)
{
    /// <exception cref="UserErrorException">A share is not above 0, or they do not sum to 1 within 1e-9.</exception>
    public void Validate()
    {
        if (!(Train > 0 && Validation > 0 && Test > 0 && Math.Abs(Train + Validation + Test - 1) <= 1e-9))
        {
            throw new UserErrorException(
                FormattableString.Invariant($"The split fractions are {Train}, {Validation}, {Test} (training, validation, test)."),
                "Give three numbers above 0 that sum to 1.");
        }
    }
}

/// <summary>
/// Divides documents into training, validation and test text. A group's place is a pure function of its name, so documents that are added
/// later move none that were there. Documents in, three lists in the corpus's order out; knows nothing of where they came from.
/// </summary>
public sealed class CorpusSplit
{
    /// <summary>With fewer groups than this, hashing would leave the held-out splits to chance.</summary>
    public const int FewestGroups = 20;

    private readonly Dictionary<string, Split> _groups;
    private readonly List<Document>[] _documents = [[], [], []];

    private CorpusSplit(SplitMode mode, Dictionary<string, Split> groups)
    {
        Mode = mode;
        _groups = groups;
    }

    /// <summary>How the split was made.</summary>
    public SplitMode Mode { get; }

    /// <summary>The documents of one split, in the corpus's order.</summary>
    public IReadOnlyList<Document> this[Split split] => _documents[(int)split];

    /// <summary>The split of a group under <see cref="SplitMode.HashOfGroup"/>; training for a group that no document has.</summary>
    public Split Of(string group) => _groups.GetValueOrDefault(group);

    /// <summary>Divides <paramref name="documents"/>.</summary>
    /// <exception cref="UserErrorException">The fractions are invalid, or the text is too short to divide.</exception>
    public static CorpusSplit Divide(IReadOnlyList<Document> documents, SplitFractions fractions)
    {
        fractions.Validate();
        var groups = documents.Select(d => d.Group).Distinct(StringComparer.Ordinal).ToList();
        return groups.Count < FewestGroups ? ByTail(documents, fractions) : ByHash(documents, groups, fractions);
    }

    private static CorpusSplit ByHash(IReadOnlyList<Document> documents, List<string> groups, SplitFractions fractions)
    {
        // The top 53 bits as a number in [0, 1).
        var places = groups
            .Select(group => (Group: group, Place: (StableHash.Of64("split\n" + group) >> 11) * (1.0 / (1UL << 53))))
            .OrderBy(g => g.Place).ThenBy(g => g.Group, StringComparer.Ordinal)
            .ToList();
        var assigned = places.ToDictionary(
            g => g.Group,
            g => g.Place < fractions.Test ? Split.Test : g.Place < fractions.Test + fractions.Validation ? Split.Validation : Split.Train,
            StringComparer.Ordinal);

        // Chance may leave a split without a group: the fullest split then gives the first of its own.
        foreach (var split in Enum.GetValues<Split>())
        {
            if (assigned.ContainsValue(split))
                continue;
            var fullest = assigned.Values.CountBy(s => s).OrderByDescending(c => c.Value).ThenBy(c => c.Key).First().Key;
            assigned[places.First(g => assigned[g.Group] == fullest).Group] = split;
        }

        var result = new CorpusSplit(SplitMode.HashOfGroup, assigned);
        foreach (var document in documents)
            result._documents[(int)assigned[document.Group]].Add(document);
        return result;
    }

    private static CorpusSplit ByTail(IReadOnlyList<Document> documents, SplitFractions fractions)
    {
        var result = new CorpusSplit(SplitMode.TailOfText, []);
        var total = documents.Sum(d => (long)d.Text.Length);
        var trainEnd = (long)(total * fractions.Train);
        var validationEnd = (long)(total * (fractions.Train + fractions.Validation));
        long offset = 0;
        foreach (var document in documents)
        {
            var length = document.Text.Length;
            var first = Cut(document.Text, trainEnd - offset);
            var second = Math.Max(first, Cut(document.Text, validationEnd - offset));
            Add(Split.Train, 0, first);
            Add(Split.Validation, first, second);
            Add(Split.Test, second, length);
            offset += length;

            void Add(Split split, int start, int end)
            {
                var piece = document.Text[start..end];
                if (!string.IsNullOrWhiteSpace(piece))
                    result._documents[(int)split].Add(end - start == length ? document : document with { Id = $"{document.Id}:{split}", Text = piece });
            }
        }

        if (result._documents.Any(list => list.Count == 0))
        {
            throw new UserErrorException(
                $"The corpus has {total} characters in {documents.Count} documents, too little to hold out text for validation and test.",
                "Give more text.");
        }

        return result;
    }

    /// <summary>A place near <paramref name="wanted"/> to cut: after the next line end if one is within 2,000 characters, else after the next space, else between characters.</summary>
    private static int Cut(string text, long wanted)
    {
        if (wanted <= 0)
            return 0;
        if (wanted >= text.Length)
            return text.Length;
        var at = (int)wanted;
        var near = text.AsSpan(at, Math.Min(2000, text.Length - at));
        var line = near.IndexOf('\n');
        // A line end that is the text's last character would leave nothing behind it.
        if (line >= 0 && at + line + 1 < text.Length)
            return at + line + 1;
        var space = near.IndexOf(' ');
        if (space >= 0 && at + space + 1 < text.Length)
            return at + space + 1;
        return char.IsLowSurrogate(text[at]) ? at - 1 : at;
    }
}
