using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using System.Xml;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>What reading a folder gave.</summary>
/// <param name="Documents">Documents with text, in ordinal order of relative path and line.</param>
/// <param name="Empty">Documents dropped because they hold only whitespace, or a JSON line without a text field.</param>
/// <param name="Duplicates">Documents dropped because an earlier one has exactly the same text.</param>
/// <param name="InvalidSequences">Invalid UTF-8 sequences, each replaced by U+FFFD.</param>
/// <param name="BytesRead">Size of the files.</param>
/// <param name="Files">Number of files.</param>
public sealed record FolderTexts(
    IReadOnlyList<Document> Documents, long Empty, long Duplicates, long InvalidSequences, long BytesRead, int Files);

/// <summary>
/// A folder (or one file) of the user's own text: .txt and .md as they are, .jsonl with one object per line whose "text" or "content" is
/// the document, .xml without its tags. Each file, or each line of a .jsonl, is a document and a group of its own. A path in, documents
/// out; it knows nothing of splits.
/// </summary>
public static class FolderSource
{
    private const string Formats = ".txt, .md, .jsonl, .xml";
    private static readonly HashSet<string> Extensions = new(StringComparer.OrdinalIgnoreCase) { ".txt", ".md", ".jsonl", ".xml" };

    /// <summary>Reads <paramref name="path"/> and the folders below it; links to folders are not followed.</summary>
    /// <param name="path">A folder, or a file of one of the formats.</param>
    /// <param name="workers">Files read at once, at least 1; the result does not depend on it.</param>
    /// <param name="cancellation">Stops between files.</param>
    /// <exception cref="UserErrorException">The path is missing or unreadable, has no file of the formats, no text, or a malformed file.</exception>
    public static FolderTexts Read(string path, int workers, CancellationToken cancellation = default)
    {
        try
        {
            var files = Find(path);
            var parts = new Part[files.Count];
            var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, workers), CancellationToken = cancellation };
            Parallel.For(0, files.Count, options, i => parts[i] = ReadFile(files[i].Path, files[i].Name));
            return Join(path, parts);
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<UserErrorException>().FirstOrDefault() is { } error)
        {
            throw error;
        }
        catch (Exception e) when ((e as AggregateException)?.InnerException is IOException or UnauthorizedAccessException
            || e is IOException or UnauthorizedAccessException)
        {
            var cause = (e as AggregateException)?.InnerException ?? e;
            throw new UserErrorException($"The corpus {path} cannot be read: {cause.Message}", "Check that it is there and that you may read it.", e);
        }
    }

    private static List<(string Path, string Name)> Find(string path)
    {
        if (File.Exists(path))
        {
            if (!Extensions.Contains(Path.GetExtension(path)))
                throw new UserErrorException($"The corpus {path} is not text of a known format.", $"Give a file or a folder of {Formats}.");
            return [(path, Path.GetFileName(path))];
        }

        if (!Directory.Exists(path))
            throw new UserErrorException($"The corpus {path} does not exist.", $"Give a file or a folder of {Formats}.");

        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden | FileAttributes.System, IgnoreInaccessible = false };
        var files = Directory.EnumerateFiles(path, "*", options)
            .Where(file => Extensions.Contains(Path.GetExtension(file)))
            .Select(file => (Path: file, Name: Path.GetRelativePath(path, file).Replace('\\', '/')))
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .ToList();
        return files.Count > 0
            ? files
            : throw new UserErrorException($"The corpus folder {path} has no text.", $"Put files of {Formats} there, or give another folder.");
    }

    private static FolderTexts Join(string path, Part[] parts)
    {
        var seen = new HashSet<UInt128>();
        var documents = new List<Document>();
        long empty = 0, duplicates = 0;
        foreach (var (name, text) in parts.SelectMany(part => part.Texts))
        {
            if (string.IsNullOrWhiteSpace(text))
                empty++;
            else if (!seen.Add(StableHash.Of128(text)))
                duplicates++;
            else
                documents.Add(new(name, text, name, name));
        }

        if (documents.Count == 0)
            throw new UserErrorException($"The corpus {path} has no text: its {parts.Length} files are empty.", $"Put text into it, or give another file or folder of {Formats}.");
        return new(documents, empty, duplicates, parts.Sum(p => p.Invalid), parts.Sum(p => p.Bytes), parts.Length);
    }

    private static Part ReadFile(string path, string name)
    {
        var bytes = File.ReadAllBytes(path);
        var text = Decode(bytes, out var invalid);
        List<(string, string)> texts = Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".JSONL" => [.. JsonLines(path, name, text)],
            ".XML" => [(name, XmlText(path, text))],
            _ => [(name, text)],
        };
        return new(texts, invalid, bytes.Length);
    }

    /// <summary>
    /// UTF-8 to text with a leading byte order mark removed and line ends made \n. Each maximal invalid sequence becomes one U+FFFD
    /// (Unicode 16, section 3.9, "U+FFFD substitution of maximal subparts") and is counted.
    /// </summary>
    internal static string Decode(ReadOnlySpan<byte> bytes, out long invalid)
    {
        if (bytes.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];
        invalid = 0;
        if (!Utf8.IsValid(bytes))
        {
            for (var rest = bytes; rest.Length > 0;)
            {
                if (Rune.DecodeFromUtf8(rest, out _, out var consumed) != OperationStatus.Done)
                    invalid++;
                rest = rest[consumed..];
            }
        }

        return Encoding.UTF8.GetString(bytes).ReplaceLineEndings("\n");
    }

    private static IEnumerable<(string Name, string Text)> JsonLines(string path, string name, string text)
    {
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            string? found;
            try
            {
                using var json = JsonDocument.Parse(line);
                found = Field(json.RootElement, "text") ?? Field(json.RootElement, "content") ?? "";
            }
            catch (JsonException e)
            {
                throw new UserErrorException(
                    $"Line {number} of {path} is not JSON: {e.Message}", "A .jsonl file has one JSON object per line with a \"text\" or \"content\" field.", e);
            }

            yield return (string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name}#{number}"), found);
        }

        static string? Field(JsonElement element, string field) =>
            element.ValueKind == JsonValueKind.Object && element.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()!.ReplaceLineEndings("\n")
                : null;
    }

    /// <summary>The text between the tags; the file's own line breaks stay, blank lines and indentation go.</summary>
    private static string XmlText(string path, string xml)
    {
        var text = new TextFolder();
        try
        {
            using var reader = XmlReader.Create(new StringReader(xml), new() { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
            while (reader.Read())
            {
                if (reader.NodeType is not (XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace))
                    continue;
                var first = true;
                foreach (var line in reader.Value.AsSpan().EnumerateLines())
                {
                    if (!first)
                        text.Break();
                    text.Append(line);
                    first = false;
                }
            }
        }
        catch (XmlException e)
        {
            throw new UserErrorException($"{path} is not well-formed XML: {e.Message}", "Repair it, or rename it to .txt to take it as it is.", e);
        }

        return text.ToString();
    }

    private sealed record Part(IReadOnlyList<(string Name, string Text)> Texts, long Invalid, long Bytes);
}
