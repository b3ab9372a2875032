namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// A text file as one document, or, where it is longer than a document may be, as several: cut after the last empty line of a piece's
/// second half, else after a line. A piece without any line end is no text that a person wrote: it is a failure, up to the next line end.
/// </summary>
internal static class TextPieces
{
    public static IEnumerable<SourceItem> Read(FileReading reading, string path, SourceFile file, string contentType, CancellationToken cancellation)
    {
        var maximum = reading.Limits.MaximumDocumentBytes;
        using var stream = Compression.Open(path);
        var buffer = new byte[(int)Math.Min(maximum, Compression.IsCompressed(path) ? 1 << 16 : Math.Max(1, file.Bytes) + 1)];
        var (filled, offset) = (0, 0L);
        var pieces = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            filled += stream.ReadAtLeast(buffer.AsSpan(filled), buffer.Length - filled, throwOnEndOfStream: false);
            if (filled == buffer.Length && buffer.Length < maximum)
            {
                Array.Resize(ref buffer, (int)Math.Min(maximum, buffer.Length * 2L));
                continue;
            }

            var last = filled < buffer.Length;
            // A last piece may still end with an over-long line, but then it is no longer than a document.
            var cut = last ? filled : Cut(buffer.AsSpan(0, filled));
            if (cut == 0 && !last)
            {
                var (length, more) = Skip(stream, buffer, filled, out filled);
                yield return SourceItem.Failed(
                    reading.Id(file, offset), "line_too_long", $"{file.Path} has a line of {length} bytes at {offset}; the limit is {maximum}.", length);
                offset += length;
                pieces++;
                if (more)
                    continue;
                yield break;
            }

            if (cut > 0 || pieces == 0)
            {
                var id = reading.Id(file, last && pieces == 0 ? null : offset);
                var text = TextDecoder.Decode(buffer.AsSpan(0, cut), out _);
                yield return SourceItem.Of(new Document(id, text, reading.Id(file, null), file.Path, Title: contentType == "text/markdown" ? Heading(text) : null)
                {
                    Metadata = reading.Metadata(file, contentType),
                });
                pieces++;
            }

            if (last)
                yield break;
            buffer.AsSpan(cut, filled - cut).CopyTo(buffer);
            filled -= cut;
            offset += cut;
        }
    }

    /// <summary>Where a full buffer ends: after the last empty line of its second half, else after its last line; 0 if it has no line end.</summary>
    private static int Cut(ReadOnlySpan<byte> buffer)
    {
        var half = buffer.Length / 2;
        var empty = buffer[half..].LastIndexOf("\n\n"u8);
        return empty >= 0 ? half + empty + 2 : buffer.LastIndexOf((byte)'\n') + 1;
    }

    /// <summary>Reads past the end of the line at hand; what follows it is in the buffer afterwards.</summary>
    private static (long Length, bool HasMore) Skip(Stream stream, byte[] buffer, int filled, out int left)
    {
        long length = filled;
        while (true)
        {
            var read = stream.Read(buffer, 0, buffer.Length);
            if (read == 0)
            {
                left = 0;
                return (length, false);
            }

            var end = buffer.AsSpan(0, read).IndexOf((byte)'\n');
            if (end < 0)
            {
                length += read;
                continue;
            }

            left = read - end - 1;
            buffer.AsSpan(end + 1, left).CopyTo(buffer);
            return (length + end + 1, true);
        }
    }

    /// <summary>The first heading of a Markdown text, if it begins with one.</summary>
    internal static string? Heading(string text)
    {
        var line = text.AsSpan().TrimStart();
        if (!line.StartsWith("# "))
            return null;
        var end = line.IndexOfAny('\r', '\n');
        var title = (end < 0 ? line : line[..end])[2..].Trim();
        return title.IsEmpty ? null : title.ToString();
    }
}
