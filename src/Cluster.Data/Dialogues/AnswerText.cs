namespace Cluster.Data.Dialogues;

/// <summary>Bounds and joins answers. Text in, text of 20 to 400 characters on one line out, or null.</summary>
internal static class AnswerText
{
    public const int Shortest = 20, Longest = 400;

    /// <summary>
    /// The text on one line; of a longer one the whole sentences that fit. Null where it is too short or its first sentence too long.
    /// </summary>
    public static string? Bound(string text)
    {
        text = text.Replace('\n', ' ').Trim();
        if (text.Length > Longest)
        {
            var end = text.AsSpan(0, Longest + 1).LastIndexOf(". ");
            text = end < 0 ? "" : text[..(end + 1)];
        }

        if (text.Length < Shortest)
            return null;
        return char.IsLetterOrDigit(text[^1]) || text[^1] is ')' or '"' ? text + "." : text;
    }

    /// <summary>The text as the rest of a sentence: "The index" to "the index"; names and abbreviations keep their capitals.</summary>
    public static string Continue(string text)
    {
        var word = text.AsSpan(0, text.IndexOf(' ') is var space and >= 0 ? space : text.Length);
        return word is "The" or "A" or "An" or "One" or "If" or "When" or "This" or "Either" or "Zero" or "Any" or "All" or "Each"
            ? char.ToLowerInvariant(text[0]) + text[1..]
            : text;
    }

    /// <summary>Whether the text is a noun phrase in form: "The index at which …".</summary>
    public static bool IsNounPhrase(string text) =>
        text.StartsWith("The ", StringComparison.Ordinal) || text.StartsWith("A ", StringComparison.Ordinal) || text.StartsWith("An ", StringComparison.Ordinal)
        || text.StartsWith("One of ", StringComparison.Ordinal);
}
