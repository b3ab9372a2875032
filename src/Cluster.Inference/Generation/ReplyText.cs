// Enters: the bytes of tokens, one token at a time. Leaves: text that is certain. Does not know: tokens, models.
using System.Text;

namespace Cluster.Inference.Generation;

/// <summary>
/// A reply's text as it grows. Bytes of an unfinished character wait for the rest; what is not UTF-8 reads as U+FFFD. The end of the
/// text so far that could begin a stop string is held back until that is decided. Strings are compared char by char (ordinal). The
/// stop string that is complete first counts, of several that end together the longest, so where tokens end makes no difference.
/// </summary>
public sealed class ReplyText(IReadOnlyList<string> stops)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder _held = new();

    /// <summary>Whether a stop string has appeared; nothing may be appended then.</summary>
    public bool Stopped { get; private set; }

    /// <summary>The text that <paramref name="bytes"/> make certain; if a stop string appears, the text before it.</summary>
    public string Append(ReadOnlySpan<byte> bytes) => Add(bytes, flush: false);

    /// <summary>Ends the text: what was held back, with U+FFFD if it ends inside a character. A stop string may still appear.</summary>
    public string End() => Add([], flush: true);

    private string Add(ReadOnlySpan<byte> bytes, bool flush)
    {
        // A waiting character adds at most two chars to one per byte.
        var chars = new char[bytes.Length + 2];
        _held.Append(chars, 0, _decoder.GetChars(bytes, chars, flush));
        var text = _held.ToString();
        int end = text.Length, stopEnd = int.MaxValue;
        foreach (var stop in stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length, at).CompareTo((stopEnd, end)) < 0)
                (stopEnd, end, Stopped) = (at + stop.Length, at, true);
        }

        if (!Stopped && !flush)
            end -= Undecided(text);
        _held.Clear();
        if (!Stopped)
            _held.Append(text, end, text.Length - end);
        return text[..end];
    }

    /// <summary>Length of the longest end of the text that is a proper beginning of a stop string.</summary>
    private int Undecided(string text)
    {
        var longest = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
            }
        }

        return longest;
    }
}
