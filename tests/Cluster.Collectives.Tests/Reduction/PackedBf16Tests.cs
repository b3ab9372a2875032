using Cluster.Collectives.Reduction;
using Cluster.Core.Randomness;

namespace Cluster.Collectives.Tests.Reduction;

public class PackedBf16Tests
{
    private static readonly float[] s_numbers = Numbers();

    /// <summary>Vectors of 32 numbers and every tail: one rule, found here by looking at both neighbours.</summary>
    [Fact]
    public void Round_AnyLengthAndStart_NearestTiesToEven()
    {
        for (var length = 1; length <= 200; length++)
        {
            var start = length * 7 % 900;
            var numbers = s_numbers.AsSpan(start, length);
            var words = Words(length);
            PackedBf16.Round(numbers, words);
            var back = new float[length];
            PackedBf16.Widen(words, back);
            for (var i = 0; i < length; i++)
                Assert.Equal(Bits(Nearest(numbers[i])), Bits(back[i]));
            if (length % 2 != 0)
                Assert.Equal(0u, Bits(words[^1]) >> 16);
        }
    }

    [Fact]
    public void Add_AnyLength_IsRoundedSumOfNumbers()
    {
        for (var length = 1; length <= 200; length++)
        {
            float[] left = Words(length), right = Words(length), a = new float[length], b = new float[length], sums = new float[length];
            PackedBf16.Round(s_numbers.AsSpan(0, length), left);
            PackedBf16.Round(s_numbers.AsSpan(500, length), right);
            PackedBf16.Widen(left, a);
            PackedBf16.Widen(right, b);
            PackedBf16.Add(left, right, left);
            PackedBf16.Widen(left, sums);
            for (var i = 0; i < length; i++)
                Assert.Equal(Bits(Nearest(a[i] + b[i])), Bits(sums[i]));
        }
    }

    [Theory]
    [InlineData(0x3F80_8000u, 0x3F80_0000u)] // halfway between 1 and the next: to the even one
    [InlineData(0x3F81_8000u, 0x3F82_0000u)] // halfway: up to the even one
    [InlineData(0x3F80_8001u, 0x3F81_0000u)]
    [InlineData(0x8000_0000u, 0x8000_0000u)] // −0
    [InlineData(0x0000_8001u, 0x0001_0000u)] // a denormal is not flushed
    [InlineData(0x7F7F_FFFFu, 0x7F80_0000u)] // beyond the largest: infinity
    [InlineData(0xFF80_0000u, 0xFF80_0000u)] // −∞
    [InlineData(0x7F80_0001u, 0x7FC0_0000u)] // a NaN that adding to its bits would make infinite
    [InlineData(0x7FFF_FFFFu, 0x7FC0_0000u)] // a NaN that adding to its bits would make −0
    public void Round_EdgeCases_InVectorAndTail(uint bits, uint expected)
    {
        var numbers = Enumerable.Repeat(BitConverter.UInt32BitsToSingle(bits), 33).ToArray();
        float[] words = Words(33), back = new float[33];
        PackedBf16.Round(numbers, words);
        PackedBf16.Widen(words, back);
        Assert.All(back, number => Assert.Equal(expected, Bits(number)));
    }

    [Fact]
    public void Round_WordsThatDoNotFit_NamesBoth() =>
        Assert.Contains("3 numbers take 2 words, not 3", Assert.Throws<ArgumentException>(() => PackedBf16.Round(new float[3], new float[3])).Message, StringComparison.Ordinal);

    /// <summary>The nearer of the two neighbours, the one with an even last bit where both are as near.</summary>
    private static float Nearest(float number)
    {
        if (number == 0 || !float.IsFinite(number))
            return number;
        float down = Value(Bits(number) >> 16), up = Value((Bits(number) >> 16) + 1);
        double toDown = Math.Abs((double)number - down), toUp = Math.Abs((double)number - up);
        return toDown != toUp ? toDown < toUp ? down : up : (Bits(down) >> 16) % 2 == 0 ? down : up;

        static float Value(uint half) => BitConverter.UInt32BitsToSingle(half << 16);
    }

    private static uint Bits(float number) => BitConverter.SingleToUInt32Bits(number);

    /// <summary>With something in them.</summary>
    private static float[] Words(int numbers) => [.. Enumerable.Repeat(float.NaN, PackedBf16.WordsOf(numbers))];

    private static float[] Numbers()
    {
        var numbers = new float[2_000];
        var random = new CounterRandom(5, RandomPurpose.Synthetic, 0);
        for (var i = 0; i < numbers.Length; i++)
        {
            // Every third lies halfway between two neighbours; sizes from 2^-30 to 2^30.
            var bits = Bits((float)((random.Double((ulong)(2 * i)) - 0.5) * Math.Pow(2, (int)random.Below((ulong)(2 * i + 1), 60) - 30)));
            numbers[i] = BitConverter.UInt32BitsToSingle(i % 3 == 0 ? bits & 0xFFFF_0000 | 0x8000 : bits);
        }

        return numbers;
    }
}
