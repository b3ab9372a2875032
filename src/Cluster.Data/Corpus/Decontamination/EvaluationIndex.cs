// Enters: evaluation sets. Leaves: which of their n-grams a text has, and where. Does not know: what is done about it.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Decontamination;

/// <summary>
/// The word n-grams of every evaluation set known (words as in <see cref="WordNgrams"/>: letters and digits, lower-cased). A few dozen
/// bytes of memory for each n-gram. Immutable; for any number of threads.
/// </summary>
public sealed class EvaluationIndex
{
    private readonly NgramIndex _index;
    private readonly int[] _lengths;

    // Which sets have n-gram p: bit by bit, so that hits are counted for each set.
    private readonly int[][] _setsOf;

    // For each set, each item: the numbers of its n-grams, with repetition.
    private readonly int[][][] _grams;

    /// <param name="sets">Named differently.</param>
    /// <param name="options">Lengths of n-grams.</param>
    /// <exception cref="UserErrorException">A name is given twice, or a value is out of range.</exception>
    public EvaluationIndex(IReadOnlyList<EvaluationSet> sets, DecontaminationOptions options)
    {
        options.Validate();
        if (sets.CountBy(set => set.Name, StringComparer.Ordinal).FirstOrDefault(name => name.Value > 1).Key is { } twice)
            throw new UserErrorException($"The evaluation set {twice} is given twice.", "Give each set one name of its own.");
        SetNames = [.. sets.Select(set => set.Name)];
        var lengths = new SortedSet<int>();
        var hashes = sets
            .Select(set => set.Items.Select(item => Hashes(item, set.Words ?? options.Words, options.MinimumWords, lengths)).ToArray()).ToArray();
        _index = new NgramIndex(hashes.SelectMany(items => items));
        _grams = [.. hashes.Select(items => items.Select(item => item.Select(_index.PlaceOf).ToArray()).ToArray())];
        _lengths = [.. lengths];
        var setsOf = new List<int>[_index.Count];
        for (var set = 0; set < _grams.Length; set++)
            foreach (var place in _grams[set].SelectMany(item => item))
            {
                var list = setsOf[place] ??= [];
                if (list.Count == 0 || list[^1] != set)
                    list.Add(set);
            }

        _setsOf = [.. setsOf.Select(list => list.ToArray())];
        Fingerprint = Print(sets, hashes);
    }

    /// <summary>The sets, in the order given.</summary>
    public IReadOnlyList<string> SetNames { get; }

    /// <summary>SHA-256 over names and n-grams: tallies of equal fingerprints can be added.</summary>
    public string Fingerprint { get; }

    /// <summary>Different n-grams in all.</summary>
    public int Ngrams => _index.Count;

    internal IReadOnlyList<int[]> ItemsOf(int set) => _grams[set];

    /// <summary>Where n-grams of evaluation sets stand in <paramref name="text"/>.</summary>
    public ContaminationFinding Find(string text)
    {
        if (_lengths.Length == 0)
            return ContaminationFinding.None;
        List<ulong> words = new(text.Length / 6 + 1), grams = [];
        List<Range> places = new(text.Length / 6 + 1);
        WordNgrams.Words(text, words, places);
        int[]? hits = null;
        List<int> found = [];
        List<(int Start, int End)> spans = [];
        foreach (var length in _lengths)
        {
            grams.Clear();
            WordNgrams.Hashes(CollectionsMarshal.AsSpan(words), length, grams);
            for (var i = 0; i < grams.Count; i++)
            {
                if (_index.PlaceOf(grams[i]) is not (>= 0 and var place))
                    continue;
                hits ??= new int[SetNames.Count];
                foreach (var set in _setsOf[place])
                    hits[set]++;
                found.Add(place);
                spans.Add((places[i].Start.Value, places[i + length - 1].End.Value));
            }
        }

        return hits is null ? ContaminationFinding.None : new ContaminationFinding(hits, found, [.. spans.Order()]);
    }

    private static List<ulong> Hashes(string item, int n, int minimum, SortedSet<int> lengths)
    {
        DecontaminationOptions.Check("words", n, 1, 64);
        List<ulong> words = [], hashes = [];
        WordNgrams.Words(item, words);
        var length = Math.Min(n, words.Count);
        if (length < n && length < minimum)
            return hashes;
        lengths.Add(length);
        WordNgrams.Hashes(CollectionsMarshal.AsSpan(words), length, hashes);
        return hashes;
    }

    private static string Print(IReadOnlyList<EvaluationSet> sets, List<ulong>[][] hashes)
    {
        using var print = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var set = 0; set < sets.Count; set++)
        {
            print.AppendData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{sets[set].Name.Length}:{sets[set].Name}:{hashes[set].Length};")));
            foreach (var item in hashes[set])
            {
                print.AppendData(BitConverter.GetBytes(item.Count));
                print.AppendData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(item)));
            }
        }

        return Convert.ToHexStringLower(print.GetHashAndReset());
    }
}

/// <summary>What a text has of the evaluation sets.</summary>
public sealed class ContaminationFinding
{
    internal ContaminationFinding(int[] hits, List<int> places, (int Start, int End)[] spans) => (Hits, Places, Spans) = (hits, places, spans);

    internal static ContaminationFinding None { get; } = new([], [], []);

    /// <summary>Matching n-grams for each set in the index's order; empty if there are none at all.</summary>
    public IReadOnlyList<int> Hits { get; }

    /// <summary>Matching n-grams, each position once, all sets together.</summary>
    public int Total => Places.Count;

    /// <summary>Where they stand, as characters from start to end, ascending; they overlap where n-grams do.</summary>
    public IReadOnlyList<(int Start, int End)> Spans { get; }

    internal List<int> Places { get; }
}
