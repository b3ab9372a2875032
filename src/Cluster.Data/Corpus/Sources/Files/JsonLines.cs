using System.Text.Json;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// A file of a JSON object on each line, whole or a range of its bytes. A record's id is the place where its line begins in the
/// (decompressed) file, so that it does not depend on the ranges.
/// </summary>
internal static class JsonLines
{
    public static IEnumerable<SourceItem> Read(FileReading reading, string path, SourceFile file, CancellationToken cancellation)
    {
        using var stream = Compression.Open(path);
        var offset = file.Start;
        if (offset > 0)
        {
            // The line that is under way at the start belongs to the range before, unless it ends just there.
            stream.Seek(offset - 1, SeekOrigin.Begin);
            var before = new byte[1 << 16];
            offset--;
            while (true)
            {
                var read = stream.Read(before);
                if (read == 0)
                    yield break;
                var end = before.AsSpan(0, read).IndexOf((byte)'\n');
                if (end >= 0)
                {
                    offset += end + 1;
                    stream.Seek(offset, SeekOrigin.Begin);
                    break;
                }

                offset += read;
                if (offset >= file.End)
                    yield break;
            }
        }

        foreach (var line in BoundedLines.Of(stream, reading.Limits.MaximumLineBytes, offset, file.End))
        {
            cancellation.ThrowIfCancellationRequested();
            if (line.TooLong)
            {
                yield return SourceItem.Failed(
                    reading.Id(file, line.Offset), "line_too_long",
                    $"{file.Path} has a line of {line.Length} bytes at {line.Offset}; the limit is {reading.Limits.MaximumLineBytes}.", line.Length);
                continue;
            }

            if (Parse(reading, file, line) is { } item)
                yield return item;
        }
    }

    private static SourceItem? Parse(FileReading reading, SourceFile file, BoundedLines.Line line)
    {
        var json = TextDecoder.Decode(line.Bytes.Span, out _);
        if (string.IsNullOrWhiteSpace(json))
            return null;
        try
        {
            using var record = JsonDocument.Parse(json);
            var root = record.RootElement;
            return new Record(name => Record.Field(root, name)).ToDocument(reading, file, line.Offset) is { } document
                ? SourceItem.Of(document)
                : SourceItem.Failed(reading.Id(file, line.Offset), "no_text_field",
                    $"{file.Path} at {line.Offset} has none of the fields {string.Join(", ", reading.TextFields)}.", line.Length);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escape that spells half a surrogate pair.
            return SourceItem.Failed(reading.Id(file, line.Offset), "malformed_record", $"{file.Path} at {line.Offset}: {error.Message}", line.Length);
        }
    }
}
