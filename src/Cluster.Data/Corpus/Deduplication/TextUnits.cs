namespace Cluster.Data.Corpus.Deduplication;

/// <summary>What is compared for equality.</summary>
public enum ExactLevel
{
    /// <summary>The whole text.</summary>
    Document,

    /// <summary>Stretches of lines between lines that are empty or white.</summary>
    Paragraph,

    /// <summary>Lines between line feeds.</summary>
    Line,
}

/// <summary>A text as its paragraphs or lines, numbered from 0, and the text without some of them.</summary>
public static class TextUnits
{
    /// <summary>
    /// The units of <paramref name="text"/> in order. Each extent reaches to the next one's start, so that together they are the text;
    /// what counts is the extent without outer white space, which for paragraphs and documents is not empty.
    /// </summary>
    public static IEnumerable<Range> Of(string text, ExactLevel level)
    {
        if (level == ExactLevel.Document)
        {
            if (!string.IsNullOrWhiteSpace(text))
                yield return ..text.Length;
            yield break;
        }

        var (start, seen, blank) = (0, false, false);
        for (int line = 0, next; line < text.Length; line = next)
        {
            next = text.IndexOf('\n', line) is >= 0 and var end ? end + 1 : text.Length;
            if (level == ExactLevel.Line)
            {
                yield return line..next;
                continue;
            }

            var white = text.AsSpan(line, next - line).IsWhiteSpace();
            if (!white && blank && seen)
            {
                yield return start..line;
                start = line;
            }

            seen |= !white;
            blank = white;
        }

        if (seen)
            yield return start..text.Length;
    }

    /// <summary>
    /// <paramref name="text"/> without the units that <paramref name="decisions"/> name, the rest unchanged but for white space at its end.
    /// </summary>
    /// <param name="text">The text that was hashed.</param>
    /// <param name="level">The level at which it was.</param>
    /// <param name="decisions">The decisions on this document, ascending by unit.</param>
    public static string Without(string text, ExactLevel level, IReadOnlyList<DuplicateDecision> decisions)
    {
        if (decisions.Count == 0)
            return text;
        var kept = new System.Text.StringBuilder(text.Length);
        var (unit, next) = (0, 0);
        foreach (var range in Of(text, level))
        {
            if (next < decisions.Count && decisions[next].Unit == unit)
                next++;
            else
                kept.Append(text.AsSpan(range));
            unit++;
        }

        return kept.ToString().TrimEnd();
    }
}
