using System.Xml;

namespace Cluster.Data.Corpus;

/// <summary>A member as its XML says it, markup resolved, names not yet.</summary>
internal sealed record RawMember(
    string Id,
    bool Inherits,
    string Summary,
    IReadOnlyList<NamedText> TypeParameters,
    IReadOnlyList<NamedText> Parameters,
    string Returns,
    string Value,
    IReadOnlyList<NamedText> Exceptions,
    string Remarks);

/// <summary>
/// Reads the compiler's documentation format: an XML stream in, members with plain text out. References become readable names through
/// <see cref="MemberNames"/>; it knows neither files nor what is worth keeping.
/// </summary>
internal static class ReferenceXml
{
    private static readonly XmlReaderSettings Settings = new()
    {
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        DtdProcessing = DtdProcessing.Ignore,
        XmlResolver = null,
    };

    /// <summary>Types that the stream documents: id without "T:" to the names of the type parameters described.</summary>
    public static List<KeyValuePair<string, IReadOnlyList<string>>> ReadTypes(Stream stream)
    {
        var types = new List<KeyValuePair<string, IReadOnlyList<string>>>();
        using var reader = XmlReader.Create(stream, Settings);
        List<string>? parameters = null;
        while (reader.Read())
        {
            if (reader.NodeType != XmlNodeType.Element)
                continue;
            if (reader.Name == "member")
            {
                var id = reader.GetAttribute("name") ?? "";
                parameters = null;
                if (id.StartsWith("T:", StringComparison.Ordinal))
                    types.Add(new(id[2..], parameters = []));
            }
            else if (reader.Name == "typeparam" && parameters is not null && reader.GetAttribute("name") is { } name)
            {
                parameters.Add(name);
            }
        }

        return types;
    }

    /// <summary>The members in the stream's order.</summary>
    public static IEnumerable<RawMember> ReadMembers(Stream stream, MemberNames names)
    {
        using var reader = XmlReader.Create(stream, Settings);
        while (reader.Read())
        {
            if (reader.NodeType == XmlNodeType.Element && reader.Name == "member" && reader.GetAttribute("name") is { Length: > 2 } id)
                yield return ReadMember(reader, id, names);
        }
    }

    private static RawMember ReadMember(XmlReader reader, string id, MemberNames names)
    {
        string summary = "", returns = "", value = "", remarks = "";
        var inherits = false;
        List<NamedText> typeParameters = [], parameters = [], exceptions = [];
        if (!reader.IsEmptyElement)
        {
            var depth = reader.Depth;
            while (reader.Read() && reader.Depth > depth)
            {
                if (reader.NodeType != XmlNodeType.Element)
                    continue;
                switch (reader.Name)
                {
                    case "summary": summary = Text(); break;
                    case "returns": returns = Text(); break;
                    case "value": value = Text(); break;
                    case "remarks": remarks = Text(); break;
                    case "inheritdoc": inherits = true; break;
                    case "typeparam": Add(typeParameters, reader.GetAttribute("name")); break;
                    case "param": Add(parameters, reader.GetAttribute("name")); break;
                    case "exception": Add(exceptions, Reference(reader, names)); break;
                    default: Text(); break;
                }
            }
        }

        return new(id, inherits, summary, typeParameters, parameters, returns, value, exceptions, remarks);

        string Text()
        {
            var text = new TextFolder();
            AppendContent(reader, text, names);
            return text.ToString();
        }

        void Add(List<NamedText> list, string? name)
        {
            var text = Text();
            if (name is not null)
                list.Add(new(name, text));
        }
    }

    /// <summary>Appends what is inside the element that the reader is on; leaves the reader on its end.</summary>
    private static void AppendContent(XmlReader reader, TextFolder text, MemberNames names)
    {
        if (reader.IsEmptyElement)
            return;
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    text.Append(reader.Value);
                    break;
                case XmlNodeType.Element:
                    AppendElement(reader, text, names);
                    break;
            }
        }
    }

    private static void AppendElement(XmlReader reader, TextFolder text, MemberNames names)
    {
        switch (reader.Name)
        {
            case "see" or "seealso" or "xref" or "a":
                // A link with words of its own reads as those words.
                var target = Reference(reader, names);
                var label = new TextFolder();
                AppendContent(reader, label, names);
                text.Append(label.ToString() is { Length: > 0 } words ? words : target);
                break;
            case "paramref" or "typeparamref":
                text.Append(reader.GetAttribute("name"));
                AppendContent(reader, text, names);
                break;
            case "code":
                // Lines of code stay lines; nothing inside is markup to us but its text.
                text.AppendLines(reader.IsEmptyElement ? "" : InnerText(reader));
                break;
            case "br":
                text.Break();
                AppendContent(reader, text, names);
                break;
            case "para" or "p" or "item" or "listheader" or "li":
                text.Break();
                AppendContent(reader, text, names);
                text.Break();
                break;
            case "term":
                AppendContent(reader, text, names);
                text.Append(": ");
                break;
            case "inheritdoc" or "include":
                AppendContent(reader, new TextFolder(), names);
                break;
            default:
                AppendContent(reader, text, names);
                break;
        }
    }

    private static string InnerText(XmlReader reader)
    {
        var text = new System.Text.StringBuilder();
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace)
                text.Append(reader.Value);
        }

        return text.ToString();
    }

    /// <summary>What a reference points to, as a name; an address keeps only its last part, which is the readable one.</summary>
    private static string Reference(XmlReader reader, MemberNames names)
    {
        if (reader.GetAttribute("langword") is { } word)
            return word;
        if (reader.GetAttribute("cref") is { } id)
            return names.Reference(id);
        var address = reader.GetAttribute("href") ?? reader.GetAttribute("uid") ?? "";
        return address.TrimEnd('/').Split('/')[^1];
    }
}
