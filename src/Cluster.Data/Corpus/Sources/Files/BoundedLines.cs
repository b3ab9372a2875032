namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// The lines of a stream as bytes, without their ends (LF or CRLF), with the place where each begins. Memory is bounded: of a line longer
/// than the limit only the length is given. Knows nothing of text.
/// </summary>
internal static class BoundedLines
{
    private const int FirstBuffer = 1 << 16;

    /// <summary>A line.</summary>
    /// <param name="Offset">Of its first byte in the stream.</param>
    /// <param name="Bytes">Valid until the next line is asked for; empty if it is too long.</param>
    /// <param name="Length">In bytes, its end included.</param>
    /// <param name="TooLong">Whether it exceeds the limit.</param>
    public readonly record struct Line(long Offset, ReadOnlyMemory<byte> Bytes, long Length, bool TooLong);

    /// <param name="stream">Read from where it stands.</param>
    /// <param name="maximum">Most bytes of a line.</param>
    /// <param name="offset">The place in the file where the stream stands.</param>
    /// <param name="end">Lines that begin at or after it are not read; null reads to the end.</param>
    public static IEnumerable<Line> Of(Stream stream, int maximum, long offset = 0, long? end = null)
    {
        var buffer = new byte[Math.Min(FirstBuffer, maximum + 1)];
        int start = 0, filled = 0, searched = 0;
        long skipped = 0; // bytes of the present line that were thrown away because it is too long
        while (true)
        {
            if (skipped == 0 && offset >= end)
                yield break;
            var at = buffer.AsSpan(searched, filled - searched).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var stop = searched + at;
                var length = skipped + stop - start + 1;
                yield return skipped > 0
                    ? new Line(offset, default, length, TooLong: true)
                    : new Line(offset, Trim(buffer.AsMemory(start, stop - start)), length, TooLong: false);
                offset += length;
                skipped = 0;
                start = searched = stop + 1;
                continue;
            }

            if (start > 0)
            {
                buffer.AsSpan(start, filled - start).CopyTo(buffer);
                filled -= start;
                start = 0;
            }

            if (filled > maximum || skipped > 0)
            {
                skipped += filled;
                filled = 0;
            }
            else if (filled == buffer.Length)
            {
                Array.Resize(ref buffer, (int)Math.Min((long)buffer.Length * 2, (long)maximum + 1));
            }

            searched = filled;
            var read = stream.Read(buffer, filled, buffer.Length - filled);
            if (read == 0)
                break;
            filled += read;
        }

        if (filled + skipped > 0)
        {
            yield return skipped > 0
                ? new Line(offset, default, skipped + filled, TooLong: true)
                : new Line(offset, Trim(buffer.AsMemory(start, filled - start)), filled - start, TooLong: false);
        }
    }

    private static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> line) =>
        line.Length > 0 && line.Span[^1] == (byte)'\r' ? line[..^1] : line;
}
