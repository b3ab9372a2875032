using Cluster.Contracts.Training;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public class ValidationTests
{
    private const int Lanes = 7;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(9)]
    public void Mean_AnyNumberOfReplicas_SameBits(int replicas)
    {
        var alone = Run(1, dies: null);
        Assert.Equal(alone, Run(replicas, dies: null));
        Assert.Equal(alone, replicas > 1 ? Run(replicas, dies: "r0") : alone);
    }

    [Fact]
    public void Receive_OtherSteps_ChangesNothing()
    {
        var validation = new Validation(10, 2);
        validation.Receive(new EvaluationResult(9, 0, [1, 1], [1, 1]));
        Assert.False(validation.Complete);
        validation.Receive(new EvaluationResult(10, 0, [1, 2], [1, 2]));
        Assert.Equal((true, 1.0), (validation.Complete, validation.Mean));
    }

    [Fact]
    public void EarlyStop_NoBetterLossForItsPatience_Stops()
    {
        var early = new EarlyStop(2, null, 0);
        foreach (var (loss, stops) in ((double, bool)[])[(3, false), (2, false), (2, false), (1.9, false), (1.95, false), (2.5, true)])
        {
            early.Receive(loss);
            Assert.Equal(stops, early.Stops);
        }

        Assert.Equal((1.9, 2), (early.Best, early.Without));
        var never = new EarlyStop(0, 1, 100);
        never.Receive(5);
        Assert.False(never.Stops);
    }

    [Fact]
    public void Throughput_SteadyRate_IsThatRateAndForgetsTheOld()
    {
        var throughput = new Throughput();
        Assert.Equal(0, throughput.Mark(0, 0));
        for (var i = 1; i <= 30; i++)
            Assert.Equal(50, throughput.Mark(i, i * 50), 9);
        for (var i = 31; i <= 45; i++)
            throughput.Mark(i, 1_500 + (i - 30) * 100);
        Assert.Equal(100, throughput.Mark(46, 1_500 + 16 * 100), 9);
    }

    private static double Run(int replicas, string? dies)
    {
        var validation = new Validation(3, Lanes);
        List<string> there = [.. Enumerable.Range(0, replicas).Select(i => $"r{i}")];
        var asked = new HashSet<int>();
        while (!validation.Complete)
        {
            var asks = validation.Ask(there);
            Assert.NotEmpty(asks);
            foreach (var (replica, first, count) in asks)
            {
                // The one that dies was asked and never answers; its lanes must be asked of another.
                if (replica == dies)
                    continue;
                Assert.All(Enumerable.Range(first, count), lane => Assert.True(asked.Add(lane), $"lane {lane} was answered twice"));
                double[] losses = [.. Enumerable.Range(first, count).Select(l => 1.0 / (l + 3))];
                validation.Receive(new EvaluationResult(3, first, losses, [.. losses.Select(_ => 11L)]));
            }

            if (dies is not null)
                there.Remove(dies);
        }

        return validation.Mean;
    }
}
