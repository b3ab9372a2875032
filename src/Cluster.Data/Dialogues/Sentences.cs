namespace Cluster.Data.Dialogues;

/// <summary>
/// English prose in, its sentences out, by punctuation: a sentence ends at . ! or ? (with closing quotes and brackets) before white
/// space and a capital, digit, quote or bracket, unless a common abbreviation stands there. Other languages yield long sentences, not
/// wrong ones.
/// </summary>
internal static class Sentences
{
    private static readonly string[] Abbreviations =
        ["e.g.", "i.e.", "etc.", "vs.", "cf.", "no.", "fig.", "mr.", "mrs.", "ms.", "dr.", "st.", "approx.", "incl."];

    public static List<string> Of(string text)
    {
        var sentences = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('.' or '!' or '?' or '。' or '！' or '？'))
                continue;
            var end = i + 1;
            while (end < text.Length && text[end] is '.' or '!' or '?' or ')' or ']' or '"' or '\'' or '”' or '’' or '»')
                end++;
            var wide = text[i] is '。' or '！' or '？';
            if (!wide && (!EndsHere(text, end) || IsAbbreviation(text, start, i)))
                continue;
            Add(text[start..end]);
            start = end;
            i = end - 1;
        }

        Add(text[start..]);
        return sentences;

        void Add(string sentence)
        {
            sentence = sentence.Trim();
            if (sentence.Length > 0)
                sentences.Add(sentence);
        }
    }

    /// <summary>Whole sentences from the start, as many as fit into <paramref name="maximum"/> characters; null if none does.</summary>
    public static string? First(string text, int maximum)
    {
        if (text.Length <= maximum)
            return text;
        var length = 0;
        foreach (var sentence in Of(text))
        {
            var end = text.IndexOf(sentence, length, StringComparison.Ordinal) + sentence.Length;
            if (end > maximum)
                break;
            length = end;
        }

        return length == 0 ? null : text[..length];
    }

    private static bool EndsHere(string text, int end)
    {
        if (end >= text.Length)
            return true;
        if (!char.IsWhiteSpace(text[end]))
            return false;
        while (end < text.Length && char.IsWhiteSpace(text[end]))
            end++;
        return end >= text.Length || !char.IsLower(text[end]);
    }

    private static bool IsAbbreviation(string text, int start, int period)
    {
        var word = period;
        while (word > start && !char.IsWhiteSpace(text[word - 1]) && text[word - 1] != '(')
            word--;
        var last = text.AsSpan(word, period + 1 - word);
        foreach (var abbreviation in Abbreviations)
        {
            if (last.Equals(abbreviation, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
