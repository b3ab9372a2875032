using System.Collections.Frozen;

namespace Cluster.Data.Corpus.Filters;

/// <summary>
/// Sentences by rule: one ends at <c>. ! ? … 。 ！ ？</c> and the closing quotes and brackets after it, before white space or the end (an
/// ideographic mark needs none). A full stop ends none after a single capital letter ("J. Smith"), after one of a few abbreviations, or
/// before a lower-case letter. What is left at the end of a line counts as a sentence if it has a letter or digit.
/// </summary>
internal static class Sentences
{
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_abbreviations =
        "mr mrs ms dr prof st jr sr vs e.g i.e cf etc no vol pp fig eq al approx dept est inc ltd co corp"
            .Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Number of sentences of a line.</summary>
    public static int Count(ReadOnlySpan<char> line)
    {
        int count = 0, start = 0;
        while (Next(line[start..]) is { } length and > 0)
        {
            if (HasContent(line.Slice(start, length)))
                count++;
            start += length;
        }

        return count;
    }

    /// <summary>The length of the first sentence, with the blanks after it; of a line without an end, all of it; 0 for an empty
    /// one.</summary>
    private static int Next(ReadOnlySpan<char> text)
    {
        var from = 0;
        while (true)
        {
            var at = text[from..].IndexOfAny(Ends);
            if (at < 0)
                return text.Length;
            at += from;
            var end = at + 1;
            while (end < text.Length && (Ends.Contains(text[end]) || Closers.Contains(text[end])))
                end++;
            from = end;
            var ideographic = text[at] is '。' or '！' or '？';
            if (!ideographic && end < text.Length && !char.IsWhiteSpace(text[end]))
                continue;
            while (end < text.Length && char.IsWhiteSpace(text[end]))
                end++;
            if (text[at] == '.' && end < text.Length && (char.IsLower(text[end]) || IsAbbreviated(text[..at])))
                continue;
            return end;
        }
    }

    private static readonly System.Buffers.SearchValues<char> Ends = System.Buffers.SearchValues.Create(".!?…。！？");

    private static readonly System.Buffers.SearchValues<char> Closers = System.Buffers.SearchValues.Create("\"'”’»)]」』）");

    private static bool IsAbbreviated(ReadOnlySpan<char> before)
    {
        var start = before.Length;
        while (start > 0 && (char.IsLetter(before[start - 1]) || before[start - 1] == '.'))
            start--;
        var word = before[start..];
        return (word.Length == 1 && char.IsUpper(word[0])) || s_abbreviations.Contains(word);
    }

    private static bool HasContent(ReadOnlySpan<char> sentence)
    {
        foreach (var c in sentence)
        {
            if (char.IsLetterOrDigit(c))
                return true;
        }

        return false;
    }
}
