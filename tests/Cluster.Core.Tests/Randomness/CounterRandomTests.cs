using Cluster.Core.Randomness;

namespace Cluster.Core.Tests.Randomness;

public class CounterRandomTests
{
    [Fact]
    public void Block_AnyOrder_SameWords()
    {
        var random = new CounterRandom(42, RandomPurpose.SampleOrder, 7);
        var forwards = Enumerable.Range(0, 64).Select(i => random.UInt32((ulong)i)).ToArray();
        var backwards = Enumerable.Range(0, 64).Reverse().Select(i => random.UInt32((ulong)i)).Reverse().ToArray();
        Assert.Equal(forwards, backwards);
    }

    [Theory]
    [InlineData(43, RandomPurpose.SampleOrder, 7)]
    [InlineData(42, RandomPurpose.TokenSampling, 7)]
    [InlineData(42, RandomPurpose.SampleOrder, 8)]
    public void Block_OtherKey_OtherWords(ulong seed, RandomPurpose purpose, ulong stream) =>
        Assert.NotEqual(new CounterRandom(42, RandomPurpose.SampleOrder, 7).Block(0), new CounterRandom(seed, purpose, stream).Block(0));

    /// <summary>Computed apart from this code, from the two papers; other words would change every run that was ever recorded.</summary>
    [Fact]
    public void Block_OfAKey_TheRecordedWords()
    {
        var random = new CounterRandom(42, RandomPurpose.SampleOrder, (7UL << 32) + 5);
        Assert.Equal((0x4c9e1f42u, 0xef5cc8a1u, 0x56959c09u, 0xa48be9a9u), random.Block((3UL << 32) + 1));
    }

    [Fact]
    public void Normal_Parts_EqualTheWhole()
    {
        var random = new CounterRandom(1, RandomPurpose.Initialisation, 3);
        float[] whole = new float[1_001], parts = new float[1_001];
        random.Normal(whole, 2.0);
        random.Normal(parts.AsSpan(0, 333), 2.0);
        random.Normal(parts.AsSpan(333), 2.0, 333);
        Assert.Equal(whole, parts);
    }

    [Fact]
    public void Normal_ManyNumbers_MeanAndDeviation()
    {
        var numbers = new float[200_000];
        new CounterRandom(1, RandomPurpose.Initialisation, 3).Normal(numbers, 2.0);
        var mean = numbers.Average();
        Assert.Equal(0, mean, 0.02);
        Assert.Equal(2.0, Math.Sqrt(numbers.Average(x => Math.Pow(x - mean, 2))), 0.02);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1_000)]
    [InlineData(4_097)]
    public void KeyedPermutation_EveryCount_IsABijection(int count)
    {
        var permutation = new KeyedPermutation(new CounterRandom(9, RandomPurpose.SampleOrder, 0), count);
        var order = Enumerable.Range(0, count).Select(i => permutation[i]).ToArray();
        Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), order.Order());
        if (count > 10)
            Assert.NotEqual(Enumerable.Range(0, count).Select(i => (long)i), order);
    }

    [Fact]
    public void KeyedPermutation_OtherKey_OtherOrder()
    {
        long[] Order(ulong epoch)
        {
            var permutation = new KeyedPermutation(new CounterRandom(9, RandomPurpose.SampleOrder, epoch), 1_000);
            return [.. Enumerable.Range(0, 1_000).Select(i => permutation[i])];
        }

        Assert.NotEqual(Order(0), Order(1));
    }
}
