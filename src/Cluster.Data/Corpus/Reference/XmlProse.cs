using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// The content of one documentation element in, plain text out: references become names, lists become "- " lines, multi-line code
/// is fenced, white space is folded, paragraphs are separated by one empty line. One instance serves one file; not thread-safe.
/// </summary>
internal sealed partial class XmlProse(TypeNames names)
{
    private readonly StringBuilder _text = new();
    private Gap _gap;

    /// <summary>What separates the next word from the text so far; a stronger separation wins.</summary>
    private enum Gap
    {
        None,
        Space,
        Line,
        Paragraph,
    }

    /// <summary>Reads the element that <paramref name="reader"/> stands on and leaves it on the element's end.</summary>
    public string Read(XmlReader reader)
    {
        _text.Clear();
        _gap = Gap.None;
        Content(reader);
        return Tidy(_text.ToString());
    }

    /// <summary>Paragraphs and lists run together into one line, for fields that are one sentence or a few.</summary>
    public static string OneLine(string text) => text.Contains('\n', StringComparison.Ordinal) ? LineBreaks().Replace(text, " ") : text;

    /// <summary>Articles and other words whose capital only marks the start of a sentence.</summary>
    public static string LowerFirst(string text)
    {
        var word = text.AsSpan();
        var end = word.IndexOfAny(" ,.;:");
        word = end < 0 ? word : word[..end];
        return word is "The" or "A" or "An" or "One" or "Any" or "Either" or "Both" or "No" or "Neither" or "At" or "In" or "On" or "All"
            or "Some" or "If" or "When" or "This" or "These" or "There" or "It" or "Its" or "Another" or "More" or "Less" or "Not" or "For"
            or "Each" or "Two" or "You" or "Unable" or "Attempted" or "Invalid"
            ? char.ToLowerInvariant(text[0]) + text[1..]
            : text;
    }

    private void Content(XmlReader reader)
    {
        if (reader.IsEmptyElement)
            return;
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Element:
                    Element(reader);
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    Append(reader.Value);
                    break;
            }
        }
    }

    private void Element(XmlReader reader)
    {
        switch (reader.LocalName)
        {
            case "see" or "seealso":
                Reference(reader);
                break;
            case "xref":
                Named(reader, reader.GetAttribute("uid") is { } uid ? MemberIds.Untyped(uid, names) : null);
                break;
            case "paramref" or "typeparamref":
                Named(reader, reader.GetAttribute("name"));
                break;
            case "code":
                Code(reader);
                break;
            case "list" or "ul" or "ol":
                List(reader);
                break;
            case "br":
                Widen(Gap.Line);
                Content(reader);
                break;
            case "para" or "p" or "div" or "example" or "note":
                Widen(Gap.Paragraph);
                Content(reader);
                Widen(Gap.Paragraph);
                break;
            case "sup":
                Append("^");
                Content(reader);
                break;
            case "sub":
                Append("_");
                Content(reader);
                break;
            case "devremarks" or "forInternalUseOnly" or "inheritdoc":
                Skip(reader);
                break;
            default:
                Content(reader);
                break;
        }
    }

    private void Reference(XmlReader reader)
    {
        var name = reader.GetAttribute("cref") is { } cref ? MemberIds.Reference(cref, names)
            : reader.GetAttribute("langword") is { } word ? MemberIds.WithoutArity(word)
            : reader.GetAttribute("langref") ?? reader.GetAttribute("name") ?? reader.GetAttribute("href");
        var before = _text.Length;
        Content(reader);
        // The element's own words go before the name of what it points to.
        if (_text.Length == before && name is not null)
            Append(name);
    }

    private void Named(XmlReader reader, string? name)
    {
        if (name is null)
        {
            Content(reader);
            return;
        }

        Append(name);
        Skip(reader);
    }

    private void Code(XmlReader reader)
    {
        var code = Raw(reader);
        if (!code.AsSpan().Trim().Contains('\n'))
        {
            Append(code.Trim());
            return;
        }

        var lines = code.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd()).ToList();
        while (lines.Count > 0 && lines[0].Length == 0)
            lines.RemoveAt(0);
        while (lines.Count > 0 && lines[^1].Length == 0)
            lines.RemoveAt(lines.Count - 1);
        var indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        Flush(Gap.Paragraph);
        _text.Append("```");
        foreach (var line in lines)
            _text.Append('\n').Append(line.AsSpan(Math.Min(indent, line.Length)));
        _text.Append("\n```");
        Widen(Gap.Paragraph);
    }

    private static string Raw(XmlReader reader)
    {
        if (reader.IsEmptyElement)
            return "";
        var raw = new StringBuilder();
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace)
                raw.Append(reader.Value);
            else if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "br")
                raw.Append('\n');
        }

        return raw.ToString();
    }

    private void List(XmlReader reader)
    {
        if (reader.IsEmptyElement)
            return;
        var numbered = reader.LocalName == "ol" || reader.GetAttribute("type") == "number";
        var depth = reader.Depth;
        var number = 0;
        Widen(Gap.Line);
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType != XmlNodeType.Element)
                continue;
            switch (reader.LocalName)
            {
                case "item" or "li":
                    number++;
                    Flush(Gap.Line);
                    _text.Append(numbered ? string.Create(CultureInfo.InvariantCulture, $"{number}. ") : "- ");
                    _gap = Gap.None;
                    Item(reader);
                    Widen(Gap.Line);
                    break;
                default:
                    // A table's header names its columns; the rows speak for themselves.
                    Skip(reader);
                    break;
            }
        }

        Widen(Gap.Paragraph);
    }

    /// <summary>An item is "term: description"; paragraphs inside it stay on its line.</summary>
    private void Item(XmlReader reader)
    {
        var inner = new XmlProse(names);
        if (reader.LocalName == "li")
        {
            _text.Append(OneLine(inner.Read(reader)));
            return;
        }

        if (reader.IsEmptyElement)
            return;
        var depth = reader.Depth;
        var parts = 0;
        while (reader.Read() && reader.Depth > depth)
        {
            var part = "";
            if (reader.NodeType == XmlNodeType.Element)
                part = OneLine(inner.Read(reader));
            else if (reader.NodeType == XmlNodeType.Text)
                part = reader.Value.Trim();
            if (part.Length == 0)
                continue;
            if (parts++ > 0)
                _text.Append(parts == 2 && _text[^1] is not (':' or '.') ? ": " : " ");
            _text.Append(part);
        }
    }

    private static void Skip(XmlReader reader)
    {
        if (reader.IsEmptyElement)
            return;
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
        }
    }

    /// <summary>Appends words, folding white space: an empty line in the source separates paragraphs, anything else is a space.</summary>
    private void Append(ReadOnlySpan<char> words)
    {
        while (!words.IsEmpty)
        {
            var start = 0;
            var lines = 0;
            while (start < words.Length && char.IsWhiteSpace(words[start]))
                lines += words[start++] == '\n' ? 1 : 0;
            if (start > 0)
                Widen(lines > 1 ? Gap.Paragraph : Gap.Space);
            words = words[start..];
            if (words.IsEmpty)
                return;
            var end = 0;
            while (end < words.Length && !char.IsWhiteSpace(words[end]))
                end++;
            Flush(_gap);
            _text.Append(words[..end]);
            words = words[end..];
        }
    }

    private void Widen(Gap gap) => _gap = gap > _gap ? gap : _gap;

    private void Flush(Gap atLeast)
    {
        Widen(atLeast);
        if (_text.Length > 0)
        {
            _text.Append(_gap switch
            {
                Gap.Space => " ",
                Gap.Line => "\n",
                Gap.Paragraph => "\n\n",
                _ => "",
            });
        }

        _gap = Gap.None;
    }

    private static string Tidy(string text)
    {
        // Markup between a word and its punctuation leaves a space behind.
        text = StrayPunctuation().Replace(text, "$1");
        // Alternatives are set apart as "-or-" on a line of their own: "x is null.\n\n-or-\n\nx is empty." → "x is null, or x is empty."
        if (!Alternative().IsMatch(text))
            return text;
        var parts = Alternative().Split(text);
        var joined = new StringBuilder(parts[0]);
        for (var i = 1; i + 1 < parts.Length; i += 2)
        {
            if (parts[i + 1].Length == 0)
                continue;
            if (joined.Length == 0)
                joined.Append(parts[i + 1]);
            else
                joined.Append(", ").Append(parts[i].ToLowerInvariant()).Append(' ').Append(LowerFirst(parts[i + 1]));
        }

        return joined.ToString();
    }

    // Split yields the texts with the conjunctions between them.
    [GeneratedRegex(
        @"(?:^|[.;,:]?\s+)-+\s?(?<word>or|and)\s?-+(?:\s+|$)|[.;,:]?\n\n(?<word>or|and)\n\n",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Alternative();

    [GeneratedRegex(@"(?<=[\w>)\]]) ([.,])(?=\s|$)", RegexOptions.CultureInvariant)]
    private static partial Regex StrayPunctuation();

    [GeneratedRegex(@"\s*\n+(- )?\s*", RegexOptions.CultureInvariant)]
    private static partial Regex LineBreaks();
}
