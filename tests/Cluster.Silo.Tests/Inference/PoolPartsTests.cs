using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Silo.Inference;
using Microsoft.Extensions.Configuration;

namespace Cluster.Silo.Tests.Inference;

/// <summary>The pool's decisions, each a pure class.</summary>
public class PoolPartsTests
{
    [Fact]
    public void PromptPrefix_SameBeginning_SameNamesAsFarAsItGoes()
    {
        var begin = new string('a', 130);

        var one = PromptPrefix.Of(new GenerationRequest { Id = "1", Text = begin + "one" + new string('b', 100) });
        var two = PromptPrefix.Of(new GenerationRequest { Id = "2", Text = begin + "two" + new string('b', 100) });

        Assert.Equal(3, one.Count);
        Assert.Equal(one.Take(2), two.Take(2));
        Assert.NotEqual(one[2], two[2]);
        Assert.Empty(PromptPrefix.Of(new GenerationRequest { Id = "3", Text = "short" }));
        Assert.Equal(PromptPrefix.MostStretches, PromptPrefix.Of(new GenerationRequest { Id = "4", Tokens = [.. Enumerable.Range(0, 10_000)] }).Count);
    }

    [Fact]
    public void Choose_FewestWaitThenMostFreeBlocks()
    {
        Assert.Equal("b", WorkerChoice.Choose([Worker("a", waiting: 2, free: 9), Worker("b", waiting: 0, free: 3), Worker("c", waiting: 0, free: 2)], null));
        Assert.Equal("a", WorkerChoice.Choose([Worker("a", 0, 5), Worker("b", 0, 5)], null));
        Assert.Equal("b", WorkerChoice.Choose([Worker("a", 0, 5) with { Assigned = 3 }, Worker("b", 0, 4)], null));
        Assert.Equal("b", WorkerChoice.Choose([new Candidate("a", null, 0), Worker("b", 30, 1)], null));
        Assert.Equal("a", WorkerChoice.Choose([new Candidate("a", null, 0)], null));
        Assert.Null(WorkerChoice.Choose([], "a"));
    }

    [Fact]
    public void Choose_PreferredWorker_UnlessItsQueueIsMuchLonger()
    {
        Assert.Equal("b", WorkerChoice.Choose([Worker("a", 0, 9), Worker("b", 4, 1)], "b"));
        Assert.Equal("a", WorkerChoice.Choose([Worker("a", 0, 9), Worker("b", 5, 1)], "b"));
        Assert.Equal("a", WorkerChoice.Choose([Worker("a", 0, 9), new Candidate("b", null, 0)], "b"));
    }

    [Fact]
    public void Affinity_LongestKnownBeginning_OldestForgotten()
    {
        var affinity = new PrefixAffinity(3);
        affinity.Remember([1, 2], "a");
        affinity.Remember([1, 3], "b");

        Assert.Equal("a", affinity.Find([1, 2, 9]));
        Assert.Equal("b", affinity.Find([1, 8]));
        Assert.Null(affinity.Find([7]));
        affinity.Remember([4], "c");
        Assert.Equal("b", affinity.Find([1, 2]));
    }

    [Fact]
    public void Scale_QueueGrowsThenIdle_OneWorkerAtATimeWithinLimits()
    {
        var time = new ManualTime();
        var scale = new PoolScale(new InferenceOptions { MinWorkers = 1, MaxWorkers = 3, ScaleUpWaiting = 4, Idle = TimeSpan.FromSeconds(60) }, time);

        Assert.False(scale.Look([Worker("a", 4, 0)], places: 9));
        Assert.True(scale.Look([Worker("a", 5, 0)], places: 9));
        Assert.False(scale.Look([Worker("a", 50, 0), new Candidate("b", null, 0)], places: 9)); // b is being loaded
        Assert.False(scale.Look([Worker("a", 50, 0), Worker("b", 50, 0)], places: 2));
        Assert.True(scale.Look([Worker("a", 50, 0), Worker("b", 50, 0)], places: 9));
        Assert.False(scale.Look([Worker("a", 50, 0), Worker("b", 50, 0), Worker("c", 50, 0)], places: 9));
        Assert.Equal(3, scale.Workers);

        time.Advance(TimeSpan.FromSeconds(59));
        scale.Look([Worker("a", 0, 9, running: 0)], 9);
        Assert.Equal(3, scale.Workers);
        for (var i = 2; i >= 0; i--)
        {
            time.Advance(TimeSpan.FromSeconds(60));
            scale.Look([Worker("a", 0, 9, running: 0)], 9);
            Assert.Equal(Math.Max(1, i), scale.Workers);
        }
    }

    [Theory]
    [InlineData("MinWorkers", "0", "Give a whole number from 1 to 1024.")]
    [InlineData("MaxRunning", "x", "Give a whole number from 1 to 4096.")]
    [InlineData("Backend", "gpu", "Give auto, managed or torch.")]
    [InlineData("TokenBudget", "64", "Give a whole number from 192 to 65536.")]
    [InlineData("Precision", "int3", "Give fp32 or bf16.")]
    public void Options_ValueOfNoUse_NamesKeyAndRange(string name, string value, string remedy)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new($"Cluster:Inference:{name}", value)]).Build();

        var error = Assert.Throws<UserErrorException>(() => InferenceOptions.Of(configuration));

        Assert.Equal($"Cluster:Inference:{name} is \"{value}\". {remedy}", error.Message);
    }

    private static Candidate Worker(string key, int waiting, int free, int running = 1) =>
        new(key, new WorkerLoad(true, "w", free, 10, waiting, running, 1), 0);
}
