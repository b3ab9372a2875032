using System.Text;
using AngleSharp.Dom;

namespace Cluster.Data.Corpus.Extraction;

/// <summary>What a block of a page is, as far as its text is treated differently.</summary>
internal enum HtmlBlockKind
{
    Text,
    Heading,
    ListItem,
    Preformatted,
}

/// <summary>A run of text that a browser would show as one block.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">White space collapsed, but in preformatted text.</param>
/// <param name="Words">Runs of visible characters.</param>
/// <param name="LinkedWords">Those inside of links.</param>
internal sealed record HtmlBlock(HtmlBlockKind Kind, string Text, int Words, int LinkedWords)
{
    public double LinkDensity => Words == 0 ? 0 : LinkedWords / (double)Words;
}

/// <summary>
/// A page's elements in, its blocks of text out, in order. Elements that never hold the text of a page (scripts, forms, navigation, and what
/// is marked as such or hidden) are left out. Walks without recursion: a page may nest as deep as it likes.
/// </summary>
internal sealed class HtmlBlocks
{
    private static readonly HashSet<string> s_dropped = new(
        ["script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "audio", "video", "map", "form", "button", "select",
            "textarea", "input", "nav", "footer", "aside", "menu", "dialog", "head", "fieldset", "figure"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> s_droppedRoles = new(
        ["navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alert", "menu", "menubar", "toolbar"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> s_inline = new(
        ["a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "label", "mark", "q", "ruby", "rb",
            "rt", "rp", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "br", "img", "picture", "source"],
        StringComparer.OrdinalIgnoreCase);

    private readonly List<HtmlBlock> _blocks = [];
    private readonly StringBuilder _text = new();
    private int _links, _preformatted, _words, _linkedWords;
    private bool _inWord, _pendingSpace;
    private HtmlBlockKind _kind;

    /// <summary>The blocks below an element.</summary>
    public static List<HtmlBlock> Of(IElement root)
    {
        var walk = new HtmlBlocks();
        INode? node = root.FirstChild;
        while (node is not null)
        {
            var descend = walk.Enter(node);
            if (descend && node.FirstChild is { } child)
            {
                node = child;
                continue;
            }

            if (descend)
                walk.Leave(node);
            while (node.NextSibling is null && node.Parent is { } parent && parent != root)
            {
                node = parent;
                walk.Leave(node);
            }

            node = node.NextSibling;
        }

        walk.Flush();
        return walk._blocks;
    }

    private bool Enter(INode node)
    {
        if (node is IText text)
        {
            Append(text.Data);
            return false;
        }

        if (node is not IElement element || IsDropped(element))
            return false;
        var name = element.LocalName;
        if (name == "br")
        {
            if (_preformatted > 0)
                _text.Append('\n');
            else if (_text.Length > 0)
                (_pendingSpace, _inWord) = (true, false);
            return false;
        }

        if (name == "a" && element.HasAttribute("href"))
            _links++;
        if (!s_inline.Contains(name))
        {
            Flush();
            _kind = name switch
            {
                "h1" or "h2" or "h3" or "h4" or "h5" or "h6" => HtmlBlockKind.Heading,
                "li" or "dt" or "dd" => HtmlBlockKind.ListItem,
                "pre" => HtmlBlockKind.Preformatted,
                _ => _preformatted > 0 ? HtmlBlockKind.Preformatted : HtmlBlockKind.Text,
            };
            if (name == "pre")
                _preformatted++;
        }

        return true;
    }

    private void Leave(INode node)
    {
        if (node is not IElement element)
            return;
        var name = element.LocalName;
        if (name == "a" && element.HasAttribute("href"))
            _links--;
        if (s_inline.Contains(name))
            return;
        Flush();
        if (name == "pre")
            _preformatted--;
        _kind = _preformatted > 0 ? HtmlBlockKind.Preformatted : HtmlBlockKind.Text;
    }

    private static bool IsDropped(IElement element) =>
        s_dropped.Contains(element.LocalName)
        || (element.LocalName == "header" && element.Closest("article, main") is null)
        || element.HasAttribute("hidden")
        || element.GetAttribute("aria-hidden") == "true"
        || (element.GetAttribute("role") is { } role && s_droppedRoles.Contains(role))
        || element.GetAttribute("style")?.Replace(" ", "", StringComparison.Ordinal).Contains("display:none", StringComparison.OrdinalIgnoreCase) == true;

    private void Append(string text)
    {
        foreach (var c in text)
        {
            if (char.IsWhiteSpace(c))
            {
                _inWord = false;
                if (_preformatted > 0)
                    _text.Append(c == '\r' ? '\n' : c);
                else
                    _pendingSpace = true;
                continue;
            }

            if (_pendingSpace && _text.Length > 0)
                _text.Append(' ');
            _pendingSpace = false;
            _text.Append(c);
            if (_inWord)
                continue;
            _inWord = true;
            _words++;
            _linkedWords += _links > 0 ? 1 : 0;
        }
    }

    private void Flush()
    {
        if (_words > 0)
        {
            var text = _text.ToString();
            _blocks.Add(new HtmlBlock(_kind, _kind == HtmlBlockKind.Preformatted ? text.Trim('\n') : text, _words, _linkedWords));
        }

        _text.Clear();
        (_words, _linkedWords, _inWord, _pendingSpace) = (0, 0, false, false);
    }
}
