using Cluster.Core.Randomness;

namespace Cluster.Core.Tests.Randomness;

public class Philox4x32Tests
{
    /// <summary>The published answers for "philox4x32 10" in kat_vectors of Random123, the authors' own library.</summary>
    [Theory]
    [InlineData("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [InlineData("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [InlineData("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void Block_KnownCounterAndKey_PublishedAnswer(string counter, string key, string answer)
    {
        uint[] c = Words(counter), k = Words(key), expected = Words(answer);
        Assert.Equal((expected[0], expected[1], expected[2], expected[3]), Philox4x32.Block((c[0], c[1], c[2], c[3]), (k[0], k[1])));
    }

    private static uint[] Words(string hexadecimal) => [.. hexadecimal.Split(' ').Select(word => Convert.ToUInt32(word, 16))];
}
