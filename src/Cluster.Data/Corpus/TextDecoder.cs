using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Cluster.Data.Corpus;

/// <summary>
/// Bytes in, text out, never an error: each ill-formed UTF-8 sequence (a maximal subpart, Unicode 15, section 3.9) becomes one
/// U+FFFD and is counted. A byte order mark is removed; those of UTF-16 select it.
/// </summary>
internal static class TextDecoder
{
    public static string Decode(ReadOnlySpan<byte> bytes, out long invalid)
    {
        invalid = 0;
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]))
            return Encoding.Unicode.GetString(bytes[2..]);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
            return Encoding.BigEndianUnicode.GetString(bytes[2..]);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            bytes = bytes[3..];

        // One char per byte is the most that UTF-8 can need.
        var buffer = ArrayPool<char>.Shared.Rent(Math.Max(1, bytes.Length));
        var written = 0;
        while (true)
        {
            var status = Utf8.ToUtf16(bytes, buffer.AsSpan(written), out var read, out var wrote, replaceInvalidSequences: false);
            bytes = bytes[read..];
            written += wrote;
            if (status == OperationStatus.Done)
                break;
            Rune.DecodeFromUtf8(bytes, out _, out var consumed);
            bytes = bytes[consumed..];
            buffer[written++] = '\uFFFD';
            invalid++;
        }

        var text = new string(buffer, 0, written);
        ArrayPool<char>.Shared.Return(buffer);
        return text;
    }
}
