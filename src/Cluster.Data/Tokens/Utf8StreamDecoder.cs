// Enters: the bytes of tokens, one token at a time. Leaves: the text that is complete by then. Does not know: tokens.

using System.Text;

namespace Cluster.Data.Tokens;

/// <summary>
/// Text from a stream of UTF-8 bytes, in which a token may end inside a character: such bytes wait for the rest. What is not
/// UTF-8 reads as U+FFFD. All pieces together equal decoding all bytes at once.
/// </summary>
public sealed class Utf8StreamDecoder
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that <paramref name="bytes"/> complete; empty if a character is still under way.</summary>
    public string Append(ReadOnlySpan<byte> bytes) => Convert(bytes, flush: false);

    /// <summary>Ends the stream: U+FFFD if it ends inside a character, else nothing. The decoder is as new after.</summary>
    public string Flush() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        // A waiting character adds at most two chars to one per byte.
        Span<char> text = bytes.Length <= 254 ? stackalloc char[256] : new char[bytes.Length + 2];
        return new string(text[.._decoder.GetChars(bytes, text, flush)]);
    }
}
