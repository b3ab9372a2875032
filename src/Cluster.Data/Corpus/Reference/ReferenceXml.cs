using System.Text;
using System.Xml;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// One documentation file's text in, its members as records out. Streams: no document tree. Knows nothing of other files except
/// the names of their types.
/// </summary>
internal static class ReferenceXml
{
    private static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Ignore,
        XmlResolver = null,
        CheckCharacters = false,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    /// <summary>Members of one file, and what became of the rest.</summary>
    /// <param name="Members">In the file's order.</param>
    /// <param name="Seen">All members of the file, kept or not.</param>
    /// <param name="Dropped">Those not kept, by reason.</param>
    /// <param name="ProseBytes">UTF-8 bytes of text of the kept members' fields.</param>
    /// <param name="Malformed">The parser's message if the file is not well-formed; what came before the error is kept.</param>
    public sealed record FileMembers(
        IReadOnlyList<ReferenceMember> Members, int Seen, DropCounts Dropped, long ProseBytes, string? Malformed);

    /// <summary>Whether the text is reference documentation: its root is <c>doc</c>, with <c>members</c> inside.</summary>
    public static bool IsReference(string xml)
    {
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), Settings);
            if (reader.MoveToContent() != XmlNodeType.Element || reader.LocalName != "doc")
                return false;
            while (reader.Read())
            {
                if (reader.NodeType == XmlNodeType.Element && reader is { Depth: 1, LocalName: "members" })
                    return true;
            }
        }
        catch (XmlException)
        {
        }

        return false;
    }

    /// <summary>The text nodes of any other XML, white space folded, one paragraph per element that holds text itself.</summary>
    /// <exception cref="XmlException">The text is not well-formed.</exception>
    public static string PlainText(string xml)
    {
        var text = new StringBuilder();
        using var reader = XmlReader.Create(new StringReader(xml), Settings);
        while (reader.Read())
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA)
            {
                var words = reader.Value.Trim();
                if (words.Length > 0)
                    text.Append(text.Length > 0 ? "\n\n" : "").Append(words);
            }
        }

        return text.ToString();
    }

    /// <summary>The first pass: adds the file's types and their type parameters to <paramref name="names"/>.</summary>
    public static List<(string TypeId, string[] Parameters)> Types(string xml)
    {
        var types = new List<(string, string[])>();
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), Settings);
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element || reader.LocalName != "member"
                    || reader.GetAttribute("name") is not { Length: > 2 } id || !id.StartsWith("T:", StringComparison.Ordinal))
                    continue;
                types.Add((id[2..], TypeNames.Arity(id) == 0 ? [] : [.. TypeParameters(reader)]));
            }
        }
        catch (XmlException)
        {
            // The second pass reports it.
        }

        return types;
    }

    /// <summary>The second pass: reads the members.</summary>
    public static FileMembers Members(string xml, TypeNames names, CancellationToken cancellation)
    {
        var members = new List<ReferenceMember>();
        var dropped = new DropCounts();
        var seen = 0;
        var bytes = 0L;
        var prose = new XmlProse(names);
        string? malformed = null;
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), Settings);
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element || reader.LocalName != "member")
                    continue;
                cancellation.ThrowIfCancellationRequested();
                seen++;
                var id = reader.GetAttribute("name") ?? "";
                var reason = id.Length < 3 || id[1] != ':' || id[0] is not ('T' or 'M' or 'P' or 'F' or 'E')
                    ? Boilerplate.Empty
                    : Boilerplate.OfId(id);
                if (reason is null)
                {
                    var (member, inherits, placeholders) = Member(reader, id, prose, names);
                    reason = Boilerplate.OfText(member, inherits);
                    if (reason == Boilerplate.Empty && placeholders)
                        reason = Boilerplate.Placeholder;
                    if (reason is null)
                    {
                        members.Add(member);
                        bytes += TextBytes(member);
                    }
                }

                if (reason is not null)
                    dropped.Add(reason);
            }
        }
        catch (XmlException error)
        {
            malformed = error.Message;
        }

        return new FileMembers(members, seen, dropped, bytes, malformed);
    }

    private static IEnumerable<string> TypeParameters(XmlReader reader)
    {
        if (reader.IsEmptyElement)
            yield break;
        var depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType == XmlNodeType.Element && reader.Depth == depth + 1 && reader.LocalName == "typeparam"
                && reader.GetAttribute("name") is { } name)
                yield return name;
        }
    }

    private static (ReferenceMember Member, bool Inherits, bool Placeholders) Member(
        XmlReader reader, string id, XmlProse prose, TypeNames names)
    {
        string summary = "", returns = "", value = "", remarks = "";
        var typeParameters = new List<ReferenceParameter>();
        var typeParameterNames = new List<string>();
        var parameters = new List<ReferenceParameter>();
        var exceptions = new List<ReferenceException>();
        bool inherits = false, placeholders = false;

        string Field()
        {
            var text = Boilerplate.WithoutPackaging(prose.Read(reader));
            if (!Boilerplate.IsPlaceholder(text))
                return text;
            placeholders = true;
            return "";
        }

        if (!reader.IsEmptyElement)
        {
            var depth = reader.Depth;
            while (reader.Read() && reader.Depth > depth)
            {
                if (reader.NodeType != XmlNodeType.Element || reader.Depth != depth + 1)
                    continue;
                var name = reader.GetAttribute("name") ?? "";
                switch (reader.LocalName)
                {
                    case "summary":
                        summary = Join(summary, Field());
                        break;
                    case "remarks" or "remark" or "example" or "examples":
                        remarks = Join(remarks, Field());
                        break;
                    case "returns" or "return":
                        returns = Sentence(Field());
                        break;
                    case "value":
                        value = Sentence(Field());
                        break;
                    case "param":
                        Add(parameters, name, Field());
                        break;
                    case "typeparam":
                        typeParameterNames.Add(name);
                        Add(typeParameters, name, Field());
                        break;
                    case "exception":
                        var type = reader.GetAttribute("cref") is { } cref ? MemberIds.Reference(cref, names) : "";
                        if (Sentence(Field()) is { Length: > 0 } condition && type.Length > 0)
                            exceptions.Add(new ReferenceException(type, condition));
                        break;
                    case "inheritdoc":
                        inherits = true;
                        break;
                }
            }
        }

        var kind = id[0] == 'T' ? MemberKind.Type : MemberIds.Kind(id, MemberIds.Split(id).Name);
        var readable = kind == MemberKind.Type ? MemberIds.TypeName(id[2..], names) : MemberIds.MemberName(id, typeParameterNames, names);
        // The .NET libraries document what a property holds as "returns", ASP.NET Core as "value".
        var member = new ReferenceMember(id, kind, readable)
        {
            Summary = EndSentence(summary),
            TypeParameters = typeParameters,
            Parameters = parameters,
            Returns = value.Length > 0 && returns.Length == 0 ? value : returns,
            Exceptions = exceptions,
            Remarks = EndSentence(remarks),
        };
        return (member, inherits, placeholders);
    }

    private static void Add(List<ReferenceParameter> list, string name, string text)
    {
        if (text.Length > 0 && name.Length > 0)
            list.Add(new ReferenceParameter(name, Sentence(text)));
    }

    private static string Join(string before, string after) =>
        before.Length == 0 ? after : after.Length == 0 ? before : before + "\n\n" + after;

    private static string Sentence(string text) => EndSentence(XmlProse.OneLine(text));

    /// <summary>Sentences end: a model that learns where from half of them learns to stop anywhere.</summary>
    private static string EndSentence(string text) =>
        text.Length > 0 && (char.IsLetterOrDigit(text[^1]) || text[^1] is ')' or '"' or '\'' or '>' or ']')
        && !text.EndsWith(".)", StringComparison.Ordinal) && !LastLineIsListOrCode(text)
            ? text + "."
            : text;

    private static bool LastLineIsListOrCode(string text)
    {
        var last = text.AsSpan()[(text.LastIndexOf('\n') + 1)..];
        return last.StartsWith("- ") || last.StartsWith("```");
    }

    private static long TextBytes(ReferenceMember member)
    {
        long bytes = Bytes(member.Summary) + Bytes(member.Returns) + Bytes(member.Remarks);
        foreach (var parameter in member.Parameters)
            bytes += Bytes(parameter.Name) + Bytes(parameter.Text);
        foreach (var parameter in member.TypeParameters)
            bytes += Bytes(parameter.Name) + Bytes(parameter.Text);
        foreach (var exception in member.Exceptions)
            bytes += Bytes(exception.Type) + Bytes(exception.Condition);
        return bytes;
    }

    private static int Bytes(string text) => Encoding.UTF8.GetByteCount(text);
}
