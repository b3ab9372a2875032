using System.Text;
using Cluster.Data.Corpus;
using CsCheck;

namespace Cluster.Data.Tests.Corpus;

public class TextTests
{
    [Theory]
    [InlineData(new byte[] { 0x61, 0xFF, 0x62 }, "a\uFFFDb", 1)]
    [InlineData(new byte[] { 0xE2, 0x82 }, "\uFFFD", 1)]
    [InlineData(new byte[] { 0xE2, 0x82, 0x41 }, "\uFFFDA", 1)]
    [InlineData(new byte[] { 0xC0, 0xAF }, "\uFFFD\uFFFD", 2)]
    [InlineData(new byte[] { 0xEF, 0xBB, 0xBF, 0x61 }, "a", 0)]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x61, 0x00 }, "a", 0)]
    [InlineData(new byte[] { 0xFE, 0xFF, 0x00, 0x61 }, "a", 0)]
    [InlineData(new byte[0], "", 0)]
    public void Decode_Bytes_ReplacesAndCounts(byte[] bytes, string expected, long invalid)
    {
        Assert.Equal(expected, TextDecoder.Decode(bytes, out var counted));
        Assert.Equal(invalid, counted);
    }

    [Fact]
    public void Decode_AnyBytes_EqualsTheFrameworksReplacement() => Gen.Byte.Array[0, 40].Where(bytes => bytes.Length < 2 || bytes[0] < 0xEF).Sample(bytes =>
        TextDecoder.Decode(bytes, out _) == new UTF8Encoding(false).GetString(bytes));

    [Theory]
    [InlineData("a\r\nb\rc\nd", "a\nb\nc\nd")]
    [InlineData("a\0\u0007b\tc\u0085", "ab\tc")]
    [InlineData("\uFEFFx", "x")]
    [InlineData("\uD83D\uDE00 e\u0301\r\n", "\uD83D\uDE00 \u00E9\n")]
    [InlineData("  kept  \n\n\n  spaces ", "  kept  \n\n\n  spaces ")]
    public void Normalise_Text_IsInTheCorpusForm(string text, string expected) => Assert.Equal(expected, TextNormaliser.Normalise(text));

    [Fact]
    public void Normalise_HalfSurrogatePairs_AreReplaced() => Assert.Equal("x\uFFFDy\uFFFD", TextNormaliser.Normalise("x\uD800y\uDC00"));

    [Fact]
    public void Normalise_Twice_ChangesNothingMore() => Gen.String.Sample(text =>
    {
        var once = TextNormaliser.Normalise(text);
        return once == TextNormaliser.Normalise(once);
    });

    [Fact]
    public void Hash128_OfText_IsTheBeginningOfSha256()
    {
        // SHA-256("abc") = ba7816bf 8f01cfea 414140de 5dae2223 …, read little-endian.
        Assert.Equal(0xeacf018fbf1678baUL, StableHash.Hash64("abc"));
        Assert.Equal(new UInt128(0x2322ae5dde404141UL, 0xeacf018fbf1678baUL), StableHash.Hash128("abc"));
        Assert.NotEqual(StableHash.Hash128("abc"), StableHash.Hash128("abd"));
    }
}
