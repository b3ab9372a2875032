using Cluster.Collectives.Reduction;
using CsCheck;

namespace Cluster.Collectives.Tests.Reduction;

public class FastestAssignmentTests
{
    [Fact]
    public void Fastest_AnySpeeds_NoDivisionIsDoneSooner() => Gen.Select(Gen.Int[1, 12], Gen.Double[0.01, 10].Array[1, 5]).Sample((lanes, seconds) =>
    {
        var assignment = LaneAssignment.Fastest(lanes, seconds);

        Assert.Equal((lanes, seconds.Length), (assignment.Lanes, assignment.Ranges.Count));
        if (lanes >= seconds.Length)
            Assert.All(assignment.Ranges, range => Assert.True(range.Count >= 1));
        Assert.Equal(Shortest(lanes, seconds, 0, lanes >= seconds.Length ? 1 : 0), assignment.Longest(seconds));
    }, iter: 3_000);

    [Theory]
    [InlineData(8, new[] { 1.0, 1 }, "0+4 4+4")]
    [InlineData(8, new[] { 1.0, 2 }, "0+5 5+3")]
    [InlineData(8, new[] { 100.0, 1 }, "0+1 1+7")]
    [InlineData(16, new[] { 1.0, 1, 2, 1 }, "0+5 5+5 10+2 12+4")]
    [InlineData(3, new[] { 1.0, 9, 1, 1 }, "0+1 1+0 1+1 2+1")]
    [InlineData(2, new[] { 1.0, 9, 9 }, "0+2 2+0 2+0")]
    public void Fastest_SlowMembers_HaveFewerLanesAndOneWhereThereAreEnough(int lanes, double[] seconds, string expected) =>
        Assert.Equal(expected, LaneAssignment.Fastest(lanes, seconds).ToString());

    [Fact]
    public void Fastest_EqualSpeeds_IsEven()
    {
        for (var members = 1; members <= 9; members++)
        {
            for (var lanes = members; lanes <= 40; lanes++)
                Assert.Equal(LaneAssignment.Even(lanes, members), LaneAssignment.Fastest(lanes, Enumerable.Repeat(0.3, members).ToArray()));
        }
    }

    /// <summary>Where most lanes are handed out at once, the result is that of handing them out one by one.</summary>
    [Fact]
    public void Fastest_ManyLanes_AsOneByOne()
    {
        var random = new Random(5);
        double[] seconds = [.. Enumerable.Range(0, 100).Select(_ => 0.5 + random.NextDouble())];
        var counts = Enumerable.Repeat(1, seconds.Length).ToArray();
        for (var left = 20_000 - seconds.Length; left > 0; left--)
            counts[Enumerable.Range(0, seconds.Length).MinBy(m => (counts[m] + 1) * seconds[m])]++;

        Assert.Equal(counts, LaneAssignment.Fastest(20_000, seconds).Ranges.Select(range => range.Count));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(-1.0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Fastest_NoTime_IsRefused(double seconds) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => LaneAssignment.Fastest(4, [1.0, seconds]));

    [Theory]
    [InlineData(new[] { 4, 4 }, new[] { 6, 2 }, 2)]
    [InlineData(new[] { 2, 2, 2 }, new[] { 1, 2, 3 }, 2)]
    [InlineData(new[] { 4, 0 }, new[] { 0, 4 }, 4)]
    [InlineData(new[] { 3, 5 }, new[] { 3, 5 }, 0)]
    public void LanesMovedTo_AnotherDivision_LanesWithAnotherOwner(int[] before, int[] after, int moved) =>
        Assert.Equal(moved, LaneAssignment.InOrder(before).LanesMovedTo(LaneAssignment.InOrder(after)));

    /// <summary>Of all divisions the shortest longest time.</summary>
    private static double Shortest(int lanes, double[] seconds, int member, int least)
    {
        if (member == seconds.Length - 1)
            return lanes >= least ? lanes * seconds[member] : double.PositiveInfinity;
        var shortest = double.PositiveInfinity;
        for (var count = least; count <= lanes; count++)
            shortest = Math.Min(shortest, Math.Max(count * seconds[member], Shortest(lanes - count, seconds, member + 1, least)));
        return shortest;
    }
}
