namespace Cluster.Data.Corpus;

/// <summary>The lines of a file as bytes, without their ends (LF or CRLF), streamed: memory for the longest line only.</summary>
internal static class ByteLines
{
    /// <summary>Each line is valid until the next is asked for.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Of(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        var buffer = new byte[1 << 16];
        int start = 0, filled = 0;
        while (true)
        {
            var end = buffer.AsSpan(start, filled - start).IndexOf((byte)'\n');
            if (end >= 0)
            {
                yield return Trim(buffer.AsMemory(start, end));
                start += end + 1;
                continue;
            }

            if (start > 0)
            {
                buffer.AsSpan(start, filled - start).CopyTo(buffer);
                filled -= start;
                start = 0;
            }

            if (filled == buffer.Length)
                Array.Resize(ref buffer, checked(buffer.Length * 2));
            var read = stream.Read(buffer, filled, buffer.Length - filled);
            if (read == 0)
                break;
            filled += read;
        }

        if (filled > start)
            yield return Trim(buffer.AsMemory(start, filled - start));
    }

    private static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> line) =>
        line.Length > 0 && line.Span[^1] == (byte)'\r' ? line[..^1] : line;
}
