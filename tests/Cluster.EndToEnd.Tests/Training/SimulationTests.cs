using Cluster.Cli.Runs;
using Cluster.EndToEnd.Tests.Hosting;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>The control plane over silo processes with replicas that compute nothing.</summary>
[Collection(ProcessCollection.Training)]
public sealed class SimulationTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-simulation-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task RunAsync_ReplicasThatFailAndReturn_EveryStepWithTheSameBits()
    {
        var result = await new ClusterSimulation(_root, _ => { }).RunAsync(Request(32) with { MeanSecondsBetweenFailures = 15, Steps = 30 }, CancellationToken.None);
        var run = Assert.Single(result.Runs);
        Assert.Equal((32, 30L, 0L), (run.Replicas, run.Steps, run.Wrong));
        Assert.True(run.Failures > 0 && run.Recovery.Count == run.Failures, $"{run.Failures} failures, {run.Recovery.Count} recoveries");
        Assert.True(run.LostLanes > 0);
        Assert.InRange(run.Goodput, 0.0, 1.0);
        Assert.True(run.CoordinatorMilliseconds.P50 > 0);
    }

    [Fact]
    public async Task RunAsync_ManyReplicasOfASilo_FewerMessagesThanReplicas()
    {
        var result = await new ClusterSimulation(_root, _ => { }).RunAsync(Request(64) with { Steps = 20 }, CancellationToken.None);
        var run = Assert.Single(result.Runs);
        // One call each for 32 of the replicas would be 128 messages with their answers, for BEGIN and READY alone.
        Assert.InRange(run.MessagesPerStep, 1, 64);
        Assert.Equal((0, 0L, 20), (run.Failures, run.LostLanes, run.CoordinatorMilliseconds.Count));
    }

    private static SimulationRequest Request(int replicas) => new()
    {
        Replicas = [replicas],
        Silos = 2,
        StepSeconds = 0.2,
        Steps = 20,
        MeanSecondsBetweenFailures = 0,
        RestartSeconds = 1,
        CopySeconds = 0.05,
        LanesPerReplica = 2,
        Jitter = 0,
        Seed = 3,
    };
}
