using System.Text;
using System.Xml;
using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// A file that only makes sense whole: HTML, whose text the stage main-text finds later, and XML, of which the text nodes are taken
/// (reference documentation too; its members are those of the source <c>dotnet_reference</c>). One longer than a document may be is a failure.
/// </summary>
internal static class WholeFile
{
    private const int DeclarationBytes = 1_024;

    public static IEnumerable<SourceItem> Read(FileReading reading, string path, SourceFile file, string contentType)
    {
        var id = reading.Id(file, null);
        byte[] bytes;
        using (var stream = Compression.Open(path))
            bytes = ReadUpTo(stream, reading.Limits.MaximumDocumentBytes + 1L);
        if (bytes.Length > reading.Limits.MaximumDocumentBytes)
        {
            yield return SourceItem.Failed(id, "file_too_long", $"{id} is longer than maximum_document_bytes ({reading.Limits.MaximumDocumentBytes}).", file.Bytes);
            yield break;
        }

        var text = contentType == "text/html" ? Html(bytes) : TextDecoder.Decode(bytes, out _);
        if (contentType == "application/xml")
        {
            string? malformed = null;
            try
            {
                text = ReferenceXml.PlainText(text);
            }
            catch (XmlException error)
            {
                malformed = error.Message;
            }

            if (malformed is not null)
            {
                yield return SourceItem.Failed(id, "malformed_xml", $"{id}: {malformed}", file.Bytes);
                yield break;
            }
        }

        yield return SourceItem.Of(new Document(id, text, id, file.Path) { Metadata = reading.Metadata(file, contentType) });
    }

    /// <summary>Text of a page by its byte order mark, else the encoding that it declares in its first 1,024 bytes, else UTF-8.</summary>
    internal static string Html(ReadOnlySpan<byte> bytes)
    {
        var hasMark = bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) || bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE])
            || bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]);
        var head = Encoding.Latin1.GetString(bytes[..Math.Min(bytes.Length, DeclarationBytes)]);
        var at = hasMark ? -1 : head.IndexOf("charset=", StringComparison.OrdinalIgnoreCase);
        if (at >= 0)
        {
            var name = head.AsSpan(at + 8).TrimStart("\"' ");
            var length = name.IndexOfAny("\"' ;/>");
            if (Charset(length < 0 ? name : name[..length]) is { } encoding)
                return encoding.GetString(bytes);
        }

        return TextDecoder.Decode(bytes, out _);
    }

    /// <summary>The encoding of that name; null for UTF-8, which has its own decoder, and for names that nobody knows.</summary>
    internal static Encoding? Charset(ReadOnlySpan<char> name)
    {
        if (name.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || name.Equals("utf8", StringComparison.OrdinalIgnoreCase))
            return null;
        // The HTML standard reads Latin-1 as Windows-1252 (Encoding Standard, section 4.2).
        var label = name.Equals("iso-8859-1", StringComparison.OrdinalIgnoreCase) || name.Equals("us-ascii", StringComparison.OrdinalIgnoreCase)
            ? "windows-1252" : name.ToString();
        try
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(label) ?? Encoding.GetEncoding(label);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static byte[] ReadUpTo(Stream stream, long maximum)
    {
        using var memory = new MemoryStream();
        var buffer = new byte[1 << 16];
        while (memory.Length < maximum)
        {
            var read = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, maximum - memory.Length));
            if (read == 0)
                break;
            memory.Write(buffer, 0, read);
        }

        return memory.ToArray();
    }
}
