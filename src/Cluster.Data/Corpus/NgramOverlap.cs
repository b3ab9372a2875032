namespace Cluster.Data.Corpus;

/// <summary>How much held-out text was seen in training.</summary>
/// <param name="Order">Words per n-gram.</param>
/// <param name="HeldOut">Distinct n-grams of the held-out text.</param>
/// <param name="Seen">How many of them occur in the training text.</param>
public sealed record OverlapFigure(int Order, long HeldOut, long Seen)
{
    /// <summary>Seen ÷ HeldOut in [0, 1]; 0 where the held-out text has no n-gram.</summary>
    public double Share => HeldOut == 0 ? 0 : (double)Seen / HeldOut;
}

/// <summary>
/// Measures contamination as the share of distinct 13-grams of words in held-out text that also occur in training text; 13 as in GPT-3's
/// analysis (Brown et al., 2020, appendix C). N-grams are 64-bit hashes: with 10^7 of them a false match has a probability near 10^-5.
/// Texts in, one figure out. Memory grows with the held-out text only.
/// </summary>
public static class NgramOverlap
{
    /// <summary>Words per n-gram.</summary>
    public const int Order = 13;

    private const ulong Base = 0x9E3779B97F4A7C15UL;

    /// <summary>Compares two sets of texts; n-grams do not cross from one text into the next.</summary>
    public static OverlapFigure Measure(IEnumerable<string> training, IEnumerable<string> heldOut)
    {
        var unseen = new HashSet<ulong>();
        foreach (var text in heldOut)
        {
            foreach (var gram in Grams(text))
                unseen.Add(gram);
        }

        long total = unseen.Count;
        foreach (var text in training)
        {
            foreach (var gram in Grams(text))
                unseen.Remove(gram);
        }

        return new(Order, total, total - unseen.Count);
    }

    /// <summary>A rolling polynomial hash of the words' hashes (Karp and Rabin, 1987), modulo 2^64.</summary>
    private static List<ulong> Grams(string text)
    {
        var grams = new List<ulong>(text.Length / 6);
        Span<ulong> window = stackalloc ulong[Order];
        var leaving = 1UL;
        for (var i = 0; i < Order; i++)
            leaving *= Base;
        var hash = 0UL;
        var count = 0;
        foreach (var word in new WordHashes(text))
        {
            hash = hash * Base + word;
            if (count >= Order)
                hash -= window[count % Order] * leaving;
            window[count % Order] = word;
            if (++count >= Order)
                grams.Add(hash);
        }

        return grams;
    }
}
