// Enters: text. Leaves: the lengths of its pieces, one after another. Does not know: tokens, merges, vocabularies.

using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace Cluster.Data.Tokens;

/// <summary>
/// Cuts text into the pieces that GPT-4's tokenizer (cl100k_base, in OpenAI's tiktoken) cuts: contractions, words with one
/// leading other character, up to three digits, runs of symbols, white space. Merges never cross a piece's border. The pattern
/// is scanned by hand, over code points, in one pass without backtracking. Concatenated, the pieces are the text.
/// </summary>
public static class PreTokenizer
{
    /// <summary>The pattern as Hugging Face's tokenizers and tiktoken read it: over code points, case folded as Unicode does.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly Kind[] AsciiKinds = [.. Enumerable.Range(0, 128).Select(c => KindOf((char)c))];

    private enum Kind : byte
    {
        Letter,
        Number,
        NewLine,
        Space,
        Other,
    }

    /// <summary>Chars in the first piece of <paramref name="text"/>: 1 or more, or 0 if the text is empty.</summary>
    public static int FirstPieceLength(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
            return 0;

        var kind = KindAt(text, 0, out var width);
        if (text[0] == '\'' && ContractionLength(text) is > 0 and var contraction)
            return contraction;

        if (kind == Kind.Letter)
            return RunEnd(text, width, Kind.Letter);
        if (kind == Kind.Number)
            return NumberEnd(text, width);

        if (kind != Kind.NewLine && width < text.Length && KindAt(text, width, out var nextWidth) == Kind.Letter)
            return RunEnd(text, width + nextWidth, Kind.Letter);

        var symbols = text[0] == ' ' ? 1 : 0;
        var symbolsEnd = RunEnd(text, symbols, Kind.Other);
        return symbolsEnd > symbols
            ? RunEnd(text, symbolsEnd, Kind.NewLine)
            : WhiteSpaceEnd(text);
    }

    /// <summary>
    /// Chars up to the first place, at least <paramref name="least"/> in, where a piece ends whatever stands before: the pieces of both parts
    /// are those of the whole. It is the start of a line whose first character that is neither space nor tab is a visible one of ASCII, as
    /// the only pieces with a line break in them are symbols that end in it and white space that goes as far as the last break.
    /// </summary>
    /// <returns>The text's length if there is no such place.</returns>
    internal static int CutAfter(ReadOnlySpan<char> text, int least)
    {
        for (var at = least; at < text.Length;)
        {
            var line = text[at..].IndexOf('\n');
            if (line < 0)
                break;
            at += line + 1;
            var indent = text[at..].IndexOfAnyExcept(' ', '\t');
            if (indent >= 0 && text[at + indent] is > ' ' and <= '~')
                return at;
        }

        return text.Length;
    }

    /// <summary><see cref="FirstPieceLength"/>, and the piece as a key if it is ASCII and short.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The piece's bytes; empty if it is not ASCII or has more than <see cref="PieceKey.MaximumLength"/> of them.</param>
    internal static int FirstPiece(ReadOnlySpan<char> text, out PieceKey key)
    {
        if (text.Length >= Vector128<byte>.Count)
        {
            ref var first = ref Unsafe.As<char, ushort>(ref MemoryMarshal.GetReference(text));
            var bytes = Vector128.NarrowWithSaturation(
                Vector128.LoadUnsafe(ref first), Vector128.LoadUnsafe(ref first, (nuint)Vector128<ushort>.Count));
            if (AsciiPieceLength(bytes) is > 0 and var ascii)
            {
                key = PieceKey.Of(bytes, ascii);
                return ascii;
            }
        }

        var length = FirstPieceLength(text);
        key = PieceKey.Of(text[..length]);
        return length;
    }

    /// <summary>
    /// The rules of <see cref="FirstPieceLength"/> on sixteen characters at once, a bit for each: a run's length is a count of trailing
    /// ones. 0 if they don't decide: the piece may reach beyond them, touches a character outside of ASCII, or may be a contraction.
    /// </summary>
    /// <param name="bytes">The first sixteen characters; those outside of ASCII as 128 to 255.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int AsciiPieceLength(Vector128<byte> bytes)
    {
        // Characters outside of ASCII are in no class, so each run ends at one; the last check then refuses.
        var ascii = ~bytes.ExtractMostSignificantBits() & 0xFFFF;
        var letters = Within(bytes | Vector128.Create((byte)0x20), 'a', 26);
        var first = bytes.ToScalar();
        int length;
        if ((letters & 1) != 0)
        {
            length = BitOperations.TrailingZeroCount(~letters);
        }
        else
        {
            var digits = Within(bytes, '0', 10);
            var newLines = Within(bytes, '\n', 1) | Within(bytes, '\r', 1);
            if ((ascii & 1) == 0 || first == '\'')
                return 0;
            if ((digits & 1) != 0)
            {
                // A fourth digit is left to the next piece, so three need no look at what follows.
                length = BitOperations.TrailingZeroCount(~digits);
                if (length >= 3)
                    return 3;
            }
            else if ((newLines & 1) == 0 && (letters & 2) != 0)
            {
                length = 1 + BitOperations.TrailingZeroCount(~(letters >> 1));
            }
            else
            {
                var white = Within(bytes, '\t', 5) | Within(bytes, ' ', 1);
                var others = ascii & ~(letters | digits | white);
                var symbols = first == ' ' ? 1 : 0;
                if ((others >> symbols & 1) != 0)
                {
                    length = symbols + BitOperations.TrailingZeroCount(~(others >> symbols));
                    length += BitOperations.TrailingZeroCount(~(newLines >> length));
                }
                else
                {
                    length = BitOperations.TrailingZeroCount(~white);
                    if (length >= Vector128<byte>.Count || (ascii >> length & 1) == 0)
                        return 0;
                    var lines = newLines & ((1u << length) - 1);
                    return lines != 0 ? 32 - BitOperations.LeadingZeroCount(lines) : Math.Max(1, length - 1);
                }
            }
        }

        return length < Vector128<byte>.Count && (ascii >> length & 1) != 0 ? length : 0;
    }

    /// <summary>A bit for each byte that is one of <paramref name="count"/> consecutive characters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Within(Vector128<byte> bytes, char first, byte count) =>
        Vector128.LessThan(bytes - Vector128.Create((byte)first), Vector128.Create(count)).ExtractMostSignificantBits();

    private static int WhiteSpaceEnd(ReadOnlySpan<char> text)
    {
        var end = 0;
        var afterLastNewLine = 0;
        for (; end < text.Length && char.IsWhiteSpace(text[end]); end++)
            if (text[end] is '\r' or '\n')
                afterLastNewLine = end + 1;

        if (afterLastNewLine > 0)
            return afterLastNewLine;

        // The last white space before a word is left to that word.
        return end == text.Length || end == 1 ? end : end - 1;
    }

    private static int NumberEnd(ReadOnlySpan<char> text, int end)
    {
        for (var digits = 1; digits < 3 && end < text.Length && KindAt(text, end, out var width) == Kind.Number; digits++)
            end += width;
        return end;
    }

    private static int RunEnd(ReadOnlySpan<char> text, int end, Kind kind)
    {
        while (end < text.Length && KindAt(text, end, out var width) == kind)
            end += width;
        return end;
    }

    private static int ContractionLength(ReadOnlySpan<char> text)
    {
        if (text.Length < 2)
            return 0;

        // U+017F, the long s, folds to s.
        var first = text[1] == '\u017F' ? 's' : (char)(text[1] | 0x20);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (text.Length < 3)
            return 0;

        return (text[1], text[2]) is ('r' or 'R', 'e' or 'E') or ('v' or 'V', 'e' or 'E') or ('l' or 'L', 'l' or 'L') ? 3 : 0;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int index, out int width)
    {
        var c = text[index];
        width = 1;
        if (c < 128)
            return AsciiKinds[c];
        if (char.IsSurrogate(c))
        {
            if (Rune.DecodeFromUtf16(text[index..], out var rune, out width) != OperationStatus.Done)
                return Kind.Other;
            return Rune.IsLetter(rune) ? Kind.Letter : Rune.IsNumber(rune) ? Kind.Number : Kind.Other;
        }

        return KindOf(c);
    }

    private static Kind KindOf(char c) =>
        char.IsLetter(c) ? Kind.Letter
        : char.IsNumber(c) ? Kind.Number
        : c is '\r' or '\n' ? Kind.NewLine
        : char.IsWhiteSpace(c) ? Kind.Space
        : Kind.Other;
}
