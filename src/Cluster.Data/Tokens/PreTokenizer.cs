// Enters: text. Leaves: the lengths of its pieces, one after another. Does not know: tokens, merges, vocabularies.

using System.Buffers;
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

    private enum Kind
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
        if (char.IsSurrogate(c))
        {
            if (Rune.DecodeFromUtf16(text[index..], out var rune, out width) != OperationStatus.Done)
                return Kind.Other;
            return Rune.IsLetter(rune) ? Kind.Letter : Rune.IsNumber(rune) ? Kind.Number : Kind.Other;
        }

        if (char.IsLetter(c))
            return Kind.Letter;
        if (char.IsNumber(c))
            return Kind.Number;
        if (c is '\r' or '\n')
            return Kind.NewLine;
        return char.IsWhiteSpace(c) ? Kind.Space : Kind.Other;
    }
}
