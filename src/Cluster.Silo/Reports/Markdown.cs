// Enters: headings, tables and texts of any origin. Leaves: GitHub-flavoured Markdown with '\n' line ends, in which a text shows as the
// characters it is made of. Does not know: what is reported.

using System.Globalization;
using System.Text;

namespace Cluster.Silo.Reports;

/// <summary>A Markdown document under construction. Arguments named markdown are taken as they are; pass others through <see cref="Text"/>.</summary>
internal sealed class Markdown
{
    private readonly StringBuilder _document = new();

    /// <summary>A heading.</summary>
    /// <param name="level">1 to 6.</param>
    /// <param name="markdown">On one line.</param>
    public Markdown Heading(int level, string markdown) => Block($"{new string('#', level)} {markdown}");

    /// <summary>A paragraph.</summary>
    public Markdown Paragraph(string markdown) => Block(markdown);

    /// <summary>A bulleted list; nothing where it is empty.</summary>
    public Markdown Bullets(IEnumerable<string> markdown)
    {
        var lines = markdown.Select(item => $"- {item}").ToList();
        return lines.Count == 0 ? this : Block(string.Join('\n', lines));
    }

    /// <summary>A picture.</summary>
    /// <param name="text">Read where it cannot be seen.</param>
    /// <param name="path">Relative to the document, of URL-safe characters.</param>
    public Markdown Image(string text, string path) => Block($"![{Text(text)}]({path})");

    /// <summary>Lines to copy, fenced.</summary>
    public Markdown CodeBlock(string code)
    {
        var fence = "```";
        while (code.Contains(fence, StringComparison.Ordinal))
            fence += '`';
        return Block($"{fence}\n{code}\n{fence}");
    }

    /// <summary>A table.</summary>
    /// <param name="alignment">A letter per column: 'l' or 'r'.</param>
    /// <param name="headers">Markdown, one per column.</param>
    /// <param name="rows">Markdown cells, as many per row as there are columns.</param>
    /// <exception cref="ArgumentException">A row has another number of cells, or a cell holds a bare pipe or line end.</exception>
    public Markdown Table(string alignment, string[] headers, IEnumerable<string[]> rows)
    {
        var lines = new List<string> { Row(headers), Row([.. alignment.Select(letter => letter == 'r' ? "---:" : "---")]) };
        lines.AddRange(rows.Select(Row));
        return Block(string.Join('\n', lines));

        string Row(string[] cells)
        {
            if (cells.Length != alignment.Length)
                throw new ArgumentException($"A row has {cells.Length} cells in a table of {alignment.Length} columns.", nameof(rows));
            if (cells.FirstOrDefault(cell => cell.AsSpan().IndexOfAny("|\r\n") >= 0) is { } broken)
                throw new ArgumentException($"A cell would break its table: {broken}", nameof(rows));
            return $"| {string.Join(" | ", cells)} |";
        }
    }

    /// <summary>The document.</summary>
    public override string ToString() => _document.ToString();

    /// <summary>
    /// Text of any origin as Markdown on one line, fit for a table's cell. Markup and links lose their meaning, line ends become breaks,
    /// and what is invisible or would reorder its surroundings (control and format characters, lone surrogates) shows as U+FFFD.
    /// </summary>
    public static string Text(string text)
    {
        text = text.ReplaceLineEndings("\n").Trim();
        var result = new StringBuilder(text.Length + text.Length / 8);
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var index = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var atStart = index == 0;
            var afterNumber = index > 0 && index == digits;
            var rest = text.AsSpan(index);
            index += rune.Utf16SequenceLength;
            result.Append(rune.Value switch
            {
                '\n' => "<br>",
                '\t' => " ",
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '|' => "&#124;",
                // Addresses become links by themselves; a backslash would not stop that.
                '@' => "&#64;",
                ':' when rest.StartsWith("://") => "&#58;",
                '.' when index > 3 && text.AsSpan(index - 4, 3).Equals("www", StringComparison.OrdinalIgnoreCase) => "&#46;",
                '\\' or '`' or '*' or '_' or '[' or ']' or '#' or '~' or '$' or '!' => $"\\{rune}",
                '-' or '+' or '=' when atStart => $"\\{rune}",
                '.' or ')' when afterNumber => $"\\{rune}",
                _ => IsHidden(rune) ? "\uFFFD" : rune.ToString(),
            });
        }

        return result.ToString();
    }

    /// <summary>Text of known harmless characters (hashes, file names, fields) in a fixed-width font.</summary>
    public static string Code(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/' or ' ' or '=') ? $"`{text}`" : Text(text);

    private static bool IsHidden(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        // The joiners of emoji and of several scripts change nothing but their neighbours' shapes.
        UnicodeCategory.Format => rune.Value is not (0x200C or 0x200D),
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse => true,
        _ => false,
    };

    private Markdown Block(string markdown)
    {
        if (_document.Length > 0)
            _document.Append('\n');
        _document.Append(markdown).Append('\n');
        return this;
    }
}
