using System.Runtime.Intrinsics;
using Cluster.Core.Numerics;
using Cluster.Core.Randomness;

namespace Cluster.Core.Tests.Numerics;

public class BlockNormTests
{
    [Theory]
    [InlineData(16)]
    [InlineData(BlockNorm.Block)]
    [InlineData(3 * BlockNorm.Block + 48)]
    public void Of_AnyLength_BitsOfTheWrittenOutSum(int length)
    {
        var values = Values(length);
        double total = 0;
        for (var start = 0; start < length; start += 4_096)
        {
            var sums = new double[16];
            for (var i = start; i < Math.Min(length, start + 4_096); i++)
                sums[i % 16] = Math.FusedMultiplyAdd(values[i], values[i], sums[i % 16]);
            total += Vector512.Sum(Vector512.Create(sums.AsSpan(0, 8)) + Vector512.Create(sums.AsSpan(8)));
        }

        Assert.Equal(Math.Sqrt(total), BlockNorm.Of(values));
    }

    [Fact]
    public void Total_BlocksInAnyOrderOfComputing_BitsOfOf()
    {
        var values = Values(5 * BlockNorm.Block + 7);
        var squares = new double[6];
        foreach (var block in new[] { 3, 0, 5, 1, 4, 2 })
            squares[block] = BlockNorm.Squares(values.AsSpan(block * BlockNorm.Block, Math.Min(BlockNorm.Block, values.Length - block * BlockNorm.Block)));
        Assert.Equal(BlockNorm.Of(values), BlockNorm.Total(squares));
    }

    [Fact]
    public void Squares_TailShorterThanAVector_AsIfPaddedWithZeros()
    {
        var values = Values(16);
        values.AsSpan(5).Clear();
        Assert.Equal(BlockNorm.Squares(values), BlockNorm.Squares(values.AsSpan(0, 5)));
    }

    private static float[] Values(int length)
    {
        var values = new float[length];
        new CounterRandom(5, RandomPurpose.Synthetic, 0).Normal(values, 3);
        return values;
    }
}
