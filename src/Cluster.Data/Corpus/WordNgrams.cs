// Enters: text. Leaves: hashes of its words and of runs of n of them. Does not know: what they are compared with.

using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus;

/// <summary>
/// Word n-grams as 64-bit hashes. Words are runs of letters and digits, lower-cased, so that punctuation, white space and case don't count:
/// what GPT-3's contamination study ignores (Brown et al. 2020, appendix C). Two different n-grams share a hash with odds of 2^-64.
/// </summary>
internal static class WordNgrams
{
    // Odd, with well-mixed bits: the multiplier of PCG (O'Neill 2014).
    private const ulong Multiplier = 6364136223846793005;

    /// <summary>Appends the hash of each word, and where it stands if asked for.</summary>
    public static void Words(ReadOnlySpan<char> text, List<ulong> hashes, List<Range>? places = null)
    {
        foreach (var range in Corpus.Words.Of(text))
        {
            hashes.Add(WordHash(text[range]));
            places?.Add(range);
        }
    }

    /// <summary>Appends the hash of each run of <paramref name="n"/> words, in order; none if there are fewer words.</summary>
    /// <param name="words">Hashes of <see cref="Words"/>.</param>
    /// <param name="n">1 or more.</param>
    /// <param name="hashes">Takes words - n + 1 hashes.</param>
    public static void Hashes(ReadOnlySpan<ulong> words, int n, List<ulong> hashes)
    {
        if (words.Length < n)
            return;
        var oldest = 1UL;
        for (var i = 0; i < n; i++)
            oldest *= Multiplier;
        var start = hashes.Count;
        CollectionsMarshal.SetCount(hashes, start + words.Length - n + 1);
        var made = CollectionsMarshal.AsSpan(hashes)[start..];
        var rolling = 0UL;
        for (var i = 0; i < n; i++)
            rolling = rolling * Multiplier + words[i];
        made[0] = Mix(rolling);
        for (var i = n; i < words.Length; i++)
        {
            // A polynomial over the window: the oldest word's term leaves as the newest's enters.
            rolling = rolling * Multiplier + words[i] - words[i - n] * oldest;
            made[i - n + 1] = Mix(rolling);
        }
    }

    /// <summary>The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).</summary>
    public static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }

    private static ulong WordHash(ReadOnlySpan<char> word)
    {
        // FNV-1a over UTF-16 units, finished by a mix, because its low bits alone are weak.
        var hash = 14695981039346656037UL;
        foreach (var c in word)
            hash = (hash ^ char.ToLowerInvariant(c)) * 1099511628211UL;
        return Mix(hash);
    }
}
