using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class SequenceLengthTests
{
    [Theory]
    [InlineData(50, 10)]
    [InlineData(90, 18)]
    [InlineData(95, 19)]
    [InlineData(95.1, 20)]
    [InlineData(100, 20)]
    [InlineData(0.1, 1)]
    public void AtPercentile_OneToTwenty_IsTheNearestRank(double percentile, int expected) =>
        Assert.Equal(expected, SequenceLength.AtPercentile([.. Enumerable.Range(1, 20).Reverse()], percentile));

    [Theory]
    [InlineData(0)]
    [InlineData(101)]
    [InlineData(double.NaN)]
    public void AtPercentile_PercentileOutOfRange_Throws(double percentile) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => SequenceLength.AtPercentile([1], percentile));

    [Fact]
    public void AtPercentile_NoSample_Throws() => Assert.Throws<ArgumentOutOfRangeException>(() => SequenceLength.AtPercentile([], 90));
}
