namespace Cluster.Data.Corpus.Language;

/// <summary>
/// The character n-grams of a text as buckets: letters in lower case, everything between words one blank, n from 1 to
/// <see cref="LongestGram"/>, each hashed to one of 2^bits buckets. An n-gram may begin or end with a blank but not hold one inside.
/// </summary>
internal static class LetterGrams
{
    public const int LongestGram = 5;

    private const ulong Prime = 1099511628211;

    /// <summary>
    /// Copies letters in lower case, with one blank before, between and after words. A word with a capital inside ("StringBuilder") is left
    /// out: a name is in no language.
    /// </summary>
    /// <returns>How many characters were written, at most the destination's length.</returns>
    public static int Fold(ReadOnlySpan<char> text, Span<char> destination)
    {
        if (destination.Length == 0)
            return 0;
        var count = 0;
        destination[count++] = ' ';
        var wordStart = count;
        bool inside = false, isName = false, wasLower = false;
        foreach (var c in text)
        {
            if (count == destination.Length)
                return count;
            if (char.IsLetter(c) || (c >= '\u0300' && c <= '\u036F'))
            {
                var folded = char.ToLowerInvariant(c);
                isName |= wasLower && folded != c;
                wasLower = folded == c;
                destination[count++] = folded;
                inside = true;
            }
            else if (inside)
            {
                EndWord(destination);
            }
        }

        if (inside && count < destination.Length)
            EndWord(destination);
        return count;

        void EndWord(Span<char> destination)
        {
            if (isName)
                count = wordStart;
            else
                destination[count++] = ' ';
            wordStart = count;
            inside = isName = wasLower = false;
        }
    }

    /// <summary>The buckets of all n-grams of folded text, in order.</summary>
    /// <param name="folded">What <see cref="Fold"/> wrote.</param>
    /// <param name="bits">Binary logarithm of the number of buckets.</param>
    /// <param name="buckets">At least <see cref="LongestGram"/> times as long as <paramref name="folded"/>.</param>
    public static int Buckets(ReadOnlySpan<char> folded, int bits, Span<int> buckets)
    {
        var count = 0;
        var shift = 64 - bits;
        for (var i = 0; i < folded.Length; i++)
        {
            var hash = 14695981039346656037UL;
            var longest = Math.Min(LongestGram, folded.Length - i);
            for (var n = 0; n < longest; n++)
            {
                var c = folded[i + n];
                hash = (hash ^ c) * Prime;
                // A lone blank says nothing.
                if (n > 0 || c != ' ')
                    buckets[count++] = (int)((hash * 0x9E3779B97F4A7C15UL) >> shift);
                if (n > 0 && c == ' ')
                    break;
            }
        }

        return count;
    }
}
