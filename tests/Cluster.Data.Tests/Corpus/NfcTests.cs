using System.Security.Cryptography;
using System.Text;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

/// <summary>Hashes recorded from Python 3.11's unicodedata (Unicode 14.0), whose normalisation passes NormalizationTest.txt.</summary>
public class NfcTests
{
    private static readonly int[] TrickyPoints =
    [
        0x41, 0x61, 0x65, 0x300, 0x301, 0x307, 0x323, 0x328, 0x345, 0x315, 0x35C, 0x1100, 0x1161, 0x11A8, 0xAC00, 0x3B1, 0x1FB3, 0x212B, 0xFB1D,
        0x5B4, 0x1D157, 0x1D165, 0x9DC, 0x0DD9, 0x0DCF, 0x0DCA, 0x110A5, 0x110BA, 0x3099, 0x304B,
    ];

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("a\u0323\u0307", "\u1EA1\u0307")]
    [InlineData("a\u0307\u0323", "\u1EA1\u0307")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("\u1112\u1161\u11AB", "\uD55C")]
    [InlineData("\u0958", "\u0915\u093C")]
    public void Normalize_KnownText_Composes(string text, string expected) => Assert.Equal(expected, Nfc.Normalize(text));

    [Fact]
    public void Normalize_EveryCodePoint_EqualsTheReference()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var point = 0; point < 0x110000; point++)
        {
            if (point is < 0xD800 or > 0xDFFF)
                hash.AppendData(Encoding.UTF8.GetBytes(Nfc.Normalize(char.ConvertFromUtf32(point))));
        }

        Assert.Equal("1ffc8e6ce9e83df8e49fd62d6abb68f981775aed0b5101b88c213d4653e9b540", Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    [Fact]
    public void Normalize_RandomSequences_EqualTheReference()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var state = 1UL;
        for (var i = 0; i < 20_000; i++)
        {
            var text = new StringBuilder();
            for (var k = 0; k < 8; k++)
            {
                state = state * 6364136223846793005 + 1442695040888963407;
                text.Append(char.ConvertFromUtf32(TrickyPoints[(state >> 33) % (ulong)TrickyPoints.Length]));
            }

            var once = Nfc.Normalize(text.ToString());
            Assert.Equal(once, Nfc.Normalize(once));
            hash.AppendData(Encoding.UTF8.GetBytes(once));
        }

        Assert.Equal("e540396cd854733cdb112024b83fa814a10810b94b5746637a0b98a2de7c1e8d", Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
