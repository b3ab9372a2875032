using System.Globalization;
using System.Text;

namespace Cluster.Cli.Rendering;

/// <summary>
/// Text from outside (a model, a file, an argument) made harmless to a terminal: it may not move the cursor, ring, or reorder what
/// stands beside it.
/// </summary>
public static class PlainText
{
    private const char Replacement = '\uFFFD';

    /// <summary>
    /// Control characters, lone surrogates and bidirectional overrides become U+FFFD, a tab four spaces, CR LF and CR a line end.
    /// </summary>
    public static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\r')
            {
                clean.Append('\n');
                if (i + 1 < text.Length && text[i + 1] == '\n')
                    i++;
            }
            else if (c == '\t')
            {
                clean.Append("    ");
            }
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                clean.Append(c).Append(text[++i]);
            }
            else
            {
                clean.Append(c == '\n' || !IsHostile(c) ? c : Replacement);
            }
        }

        return clean.ToString();
    }

    /// <summary>Clean, white space of any length one space.</summary>
    public static string OneLine(string text) =>
        string.Join(' ', Clean(text).Split([' ', '\n', '\u2028', '\u2029'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>One line of at most so many characters, an ellipsis at the end of a longer one.</summary>
    public static string Short(string text, int length)
    {
        var line = OneLine(text);
        if (line.Length <= length)
            return line;
        var end = char.IsHighSurrogate(line[length - 2]) ? length - 2 : length - 1;
        return line[..end].TrimEnd() + "…";
    }

    private static bool IsHostile(char c) =>
        char.IsControl(c) || char.IsSurrogate(c) || c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069') or '\u200E' or '\u200F'
        || CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
