using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed partial class PreTokenizerTests
{
    [Theory]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("We'll see, it's 12345!", "We|'ll| see|,| it|'s| |123|45|!")]
    [InlineData("I'M 'Tis", "I|'M| '|Tis")]
    [InlineData("a  b   ", "a| | b|   ")]
    [InlineData("x \n\n  y", "x| \n\n| | y")]
    [InlineData("if (x) {\r\n    y();\n}", "if| (|x|)| {\r\n|   | y|();\n|}")]
    [InlineData("(word)#tag $9", "(word|)#|tag| $|9")]
    public void FirstPieceLength_KnownText_CutsAsTheCl100kPattern(string text, string pieces) =>
        Assert.Equal(pieces.Split('|'), Pieces(text));

    [Fact]
    public void FirstPieceLength_RandomTrickyText_AgreesWithTheRegularExpression()
    {
        for (ulong stream = 0; stream < 4000; stream++)
        {
            var text = TrickyText.Make(stream, 1 + (int)(stream % 40));
            Assert.Equal(ByRegex(text), Pieces(text));
        }
    }

    [Fact]
    public void CutAfter_RandomTrickyText_PartsHaveThePiecesOfTheWhole()
    {
        int cuts = 0, unsafeBreaks = 0;
        for (ulong stream = 0; stream < 4000; stream++)
        {
            var text = string.Join('\n', Enumerable.Range(0, 6).Select(line => TrickyText.Make(stream * 6 + (ulong)line, (int)(stream % 7))));
            for (var least = 0; least < text.Length; least += 5)
            {
                var cut = PreTokenizer.CutAfter(text, least);
                Assert.InRange(cut, least, text.Length);
                Assert.Equal(Pieces(text), [.. Pieces(text[..cut]), .. Pieces(text[cut..])]);
                cuts += cut < text.Length ? 1 : 0;

                // Control: other line breaks are no such places.
                var any = text.IndexOf('\n', least) + 1;
                unsafeBreaks += Pieces(text).SequenceEqual([.. Pieces(text[..any]), .. Pieces(text[any..])]) ? 0 : 1;
            }
        }

        Assert.True(cuts > 1000);
        Assert.True(unsafeBreaks > 1000);
    }

    [Theory]
    [InlineData("a\nb\nc", 0, 2)]
    [InlineData("a\nb\nc", 2, 4)]
    [InlineData("a\n\n \t<b", 0, 3)]
    [InlineData("a\n \r\n\u00A0\nb", 0, 7)]
    [InlineData("a\né\n\u3000", 0, 5)]
    [InlineData("abc", 0, 3)]
    [InlineData("", 0, 0)]
    public void CutAfter_KnownText_EndsALineThatSomethingVisibleFollows(string text, int least, int cut) =>
        Assert.Equal(cut, PreTokenizer.CutAfter(text, least));

    [Fact]
    public void FirstPieceLength_EveryCodePointBetweenLetters_AgreesWithTheRegularExpression()
    {
        for (var code = 0; code <= 0x10FFFF; code++)
        {
            if (!Rune.IsValid(code))
                continue;
            var text = $"a{char.ConvertFromUtf32(code)}b";
            var expected = ByRegex(text);
            if (!expected.SequenceEqual(Pieces(text)))
                Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"U+{code:X}"));
        }
    }

    [Fact]
    public void FirstPieceLength_EmptyText_IsZero() => Assert.Equal(0, PreTokenizer.FirstPieceLength(""));

    [Fact]
    public void FirstPieceLength_MegabyteRuns_TakeOnePiece()
    {
        foreach (var c in "a !\n")
            Assert.Equal(1 << 20, PreTokenizer.FirstPieceLength(new string(c, 1 << 20)));
    }

    private static List<string> Pieces(string text)
    {
        var pieces = new List<string>();
        for (var at = 0; at < text.Length; at += pieces[^1].Length)
            pieces.Add(text.Substring(at, PreTokenizer.FirstPieceLength(text.AsSpan(at))));
        return pieces;
    }

    /// <summary>.NET's engine sees chars, so each astral code point is replaced by a BMP one of its class before and put back after.</summary>
    private static List<string> ByRegex(string text)
    {
        var stand = new StringBuilder();
        var originals = new List<string>();
        for (var i = 0; i < text.Length; i += originals[^1].Length)
        {
            var status = Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var width);
            originals.Add(text.Substring(i, width));
            stand.Append(status != System.Buffers.OperationStatus.Done ? '!'
                : rune.IsBmp ? text[i]
                : Rune.IsLetter(rune) ? '中'
                : Rune.IsNumber(rune) ? '7' : '!');
        }

        return [.. Cl100k().Matches(stand.ToString()).Select(m => string.Concat(originals.GetRange(m.Index, m.Length)))];
    }

    /// <summary>PreTokenizer.Pattern with the one folding spelt out that .NET lacks: the long s.</summary>
    [GeneratedRegex(
        @"(?i:'[s\u017F]|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        RegexOptions.CultureInvariant)]
    private static partial Regex Cl100k();
}
