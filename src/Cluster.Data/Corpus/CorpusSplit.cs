using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>The parts of a corpus.</summary>
public enum SplitPart
{
    /// <summary>Trained on.</summary>
    Train,

    /// <summary>Held out to watch training.</summary>
    Validation,

    /// <summary>Held out to the end.</summary>
    Test,
}

/// <summary>A split corpus; each part keeps the corpus's order.</summary>
public sealed record SplitCorpus(
    IReadOnlyList<Document> Train, IReadOnlyList<Document> Validation, IReadOnlyList<Document> Test, SplitReport Report);

/// <summary>How a corpus was split.</summary>
/// <param name="Method"><see cref="CorpusSplit.ByGroup"/> or <see cref="CorpusSplit.Tail"/>.</param>
/// <param name="Explanation">One sentence for people.</param>
/// <param name="Groups">Number of groups in the corpus.</param>
/// <param name="Parts">Train, validation and test.</param>
public sealed record SplitReport(string Method, string Explanation, int Groups, IReadOnlyList<SplitPartReport> Parts);

/// <summary>One part's size.</summary>
public sealed record SplitPartReport(string Name, double Fraction, int Documents, long Bytes);

/// <summary>
/// Which part a document belongs to. Normally by a hash of the seed and its group, so that a document's part never depends on the
/// other documents. A corpus of fewer than 20 groups (one long text file), or one whose hashes leave a part empty, holds out the end of
/// its text instead: in order, the first <c>train_fraction</c> of the characters is trained on, the next <c>validation_fraction</c>
/// validates, the last <c>test_fraction</c> tests, cut at a line end near each bound. With the default fractions the last 10 % is held
/// out, half of it for each.
/// </summary>
public static class CorpusSplit
{
    /// <summary>By the hash of the group.</summary>
    public const string ByGroup = "group_hash";

    /// <summary>The end of the text is held out.</summary>
    public const string Tail = "tail";

    private const int FewestGroups = 20;
    private const int LineSearch = 1000;

    /// <summary>The part a group belongs to by its hash.</summary>
    public static SplitPart PartOf(string group, CorpusOptions options)
    {
        var hash = StableHash.Hash64(FormattableString.Invariant($"split:{options.Seed}:{group}"));
        var place = (hash >> 11) * (1.0 / (1UL << 53));
        return place < options.TrainFraction || options.TrainFraction >= 1 ? SplitPart.Train
            : place < options.TrainFraction + options.ValidationFraction && options.ValidationFraction > 0 ? SplitPart.Validation
            : options.TestFraction > 0 ? SplitPart.Test
            : SplitPart.Validation;
    }

    /// <summary>Splits a curated corpus.</summary>
    /// <exception cref="UserErrorException">There is too little text for every part that was asked for.</exception>
    public static SplitCorpus Split(IReadOnlyList<Document> documents, CorpusOptions options)
    {
        var groups = documents.Select(document => document.Group).Distinct(StringComparer.Ordinal).Count();
        var parts = new List<Document>[] { [], [], [] };
        if (groups >= FewestGroups)
        {
            foreach (var document in documents)
                parts[(int)PartOf(document.Group, options)].Add(document);
            if (EmptyPart(parts, options) is null)
            {
                return Result(
                    ByGroup, FormattableString.Invariant($"Each of {groups} groups is in one part, by the hash of seed and group."));
            }

            parts = [[], [], []];
        }

        CutTail(documents, options, parts);
        if (EmptyPart(parts, options) is { } empty)
        {
            var characters = documents.Sum(document => (long)document.Text.Length);
            throw new UserErrorException(
                FormattableString.Invariant($"The corpus has {characters} characters, too few to give the {Name(empty)} part any text."),
                "Give more text, or set that part's fraction to 0.");
        }

        var why = FormattableString.Invariant($"The corpus has too few documents to hold out whole ones ({groups} groups): ");
        var share = FormattableString.Invariant($"{100 * (1 - options.TrainFraction):0.##}");
        return Result(Tail, $"{why}the last {share} % of its text is held out instead.");

        SplitCorpus Result(string method, string explanation)
        {
            double[] fractions = [options.TrainFraction, options.ValidationFraction, options.TestFraction];
            return new SplitCorpus(parts[0], parts[1], parts[2], new SplitReport(method, explanation, groups,
                [.. parts.Select((part, i) => new SplitPartReport(Name((SplitPart)i), fractions[i], part.Count, Curator.Bytes(part)))]));
        }
    }

    private static string Name(SplitPart part) => part switch
    {
        SplitPart.Train => "train",
        SplitPart.Validation => "validation",
        _ => "test",
    };

    private static SplitPart? EmptyPart(List<Document>[] parts, CorpusOptions options)
    {
        double[] fractions = [options.TrainFraction, options.ValidationFraction, options.TestFraction];
        for (var i = 0; i < parts.Length; i++)
        {
            if (fractions[i] > 0 && parts[i].TrueForAll(document => string.IsNullOrWhiteSpace(document.Text)))
                return (SplitPart)i;
        }

        return null;
    }

    private static void CutTail(IReadOnlyList<Document> documents, CorpusOptions options, List<Document>[] parts)
    {
        var total = documents.Sum(document => (long)document.Text.Length);
        double[] fractions = [options.TrainFraction, options.ValidationFraction, options.TestFraction];
        var smallest = fractions.Where(fraction => fraction > 0).Min();
        // Looking for a line end must not eat a small part.
        var window = (int)Math.Min(LineSearch, total * smallest / 4);
        var trainEnd = options.TrainFraction >= 1 ? total : (long)(total * options.TrainFraction);
        var validationEnd = options.TestFraction > 0 ? (long)(total * (options.TrainFraction + options.ValidationFraction)) : total;
        long start = 0;
        foreach (var document in documents)
        {
            var text = document.Text;
            var first = Cut(text, trainEnd - start, window);
            var second = Math.Max(first, Cut(text, validationEnd - start, window));
            start += text.Length;
            string[] pieces = [text[..first], text[first..second], text[second..]];
            var whole = pieces.Count(piece => piece.Length > 0) == 1;
            for (var i = 0; i < pieces.Length; i++)
            {
                if (pieces[i].Length > 0)
                    parts[i].Add(whole ? document : document with { Id = $"{document.Id}@{Name((SplitPart)i)}", Text = pieces[i] });
            }
        }
    }

    /// <summary>The place nearest after <paramref name="at"/> where a line ends, else where a word ends, else a whole character.</summary>
    private static int Cut(string text, long at, int window)
    {
        if (at <= 0)
            return 0;
        if (at >= text.Length)
            return text.Length;
        var place = (int)at;
        var ahead = text.AsSpan(place, Math.Min(window, text.Length - place));
        var end = ahead.IndexOf('\n');
        if (end < 0)
            end = ahead.IndexOf(' ');
        if (end >= 0)
            return place + end + 1;
        return char.IsLowSurrogate(text[place]) ? place + 1 : place;
    }
}
