using Cluster.Cli.Runs;

namespace Cluster.Cli.Tests.Verbs;

public class SimulateVerbTests
{
    [Theory]
    [InlineData("--replicas", "15", "--replicas is 15, which 2 silos cannot share evenly")]
    [InlineData("--replicas", "1", "--replicas is 1")]
    [InlineData("--silos", "0", "--silos is 0")]
    [InlineData("--steps", "5", "--steps is 5")]
    [InlineData("--step-time", "0", "--step-time is 0")]
    [InlineData("--mtbf", "-1", "--mtbf is -1")]
    [InlineData("--jitter", "2", "--jitter is 2")]
    [InlineData("--lanes-per-replica", "65", "--lanes-per-replica is 65")]
    public async Task Simulate_OutOfRange_NamesOptionAndValue(string option, string value, string expected)
    {
        var result = await Cli.RunAsync("simulate", option, value);
        Assert.Equal(1, result.Code);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_OneToAHundred_HasMedianAndNinetyNinth()
    {
        Assert.Equal(new Distribution(100, 50, 99, 100), Distribution.Of(Enumerable.Range(1, 100).Reverse().Select(i => (double)i)));
        Assert.Equal(new Distribution(1, 7, 7, 7), Distribution.Of([7]));
        Assert.Equal(new Distribution(0, 0, 0, 0), Distribution.Of([]));
    }
}
