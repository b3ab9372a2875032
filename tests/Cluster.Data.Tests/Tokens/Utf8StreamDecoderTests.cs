using System.Text;
using Cluster.Data.Tokens;
using CsCheck;

namespace Cluster.Data.Tests.Tokens;

public sealed class Utf8StreamDecoderTests
{
    [Fact]
    public void Append_CharacterInParts_WaitsForItsEnd()
    {
        var decoder = new Utf8StreamDecoder();
        var smile = Encoding.UTF8.GetBytes("\U0001F600");
        Assert.Equal(["a", "", "\U0001F600b"], [decoder.Append([(byte)'a', smile[0]]), decoder.Append(smile.AsSpan(1, 2)), decoder.Append([smile[3], (byte)'b'])]);
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void Flush_InsideACharacter_GivesTheReplacementCharacterAndStartsAnew()
    {
        var decoder = new Utf8StreamDecoder();
        Assert.Equal("", decoder.Append([0xF0, 0x9F]));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("a", decoder.Append("a"u8));
    }

    [Fact]
    public void Append_AnyBytesInAnyParts_EqualDecodingAtOnce() =>
        Gen.Select(Gen.OneOf(Gen.Byte, Gen.Byte[0xE0, 0xF4], Gen.Byte[0x80, 0xBF]).Array[0, 40].Array[0, 10], Gen.Bool).Sample(
            (parts, single) =>
            {
                byte[] all = [.. parts.SelectMany(part => part)];
                var decoder = new Utf8StreamDecoder();
                var text = new StringBuilder();
                foreach (var part in single ? all.Chunk(1) : parts)
                    text.Append(decoder.Append(part));
                text.Append(decoder.Flush());
                return text.ToString() == Encoding.UTF8.GetString(all);
            },
            iter: 3000,
            seed: "0000KOIPe036");
}
