using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Faults;
using Cluster.Contracts.Training;
using Cluster.Core.Faults;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;
using Cluster.Silo.Faults;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>A silo whose replica is slow for a while: lanes go from it and come back, and the bits are those of a run that nothing happened to.</summary>
[Collection(ProcessCollection.Training)]
public sealed class BalancingTests : IDisposable
{
    private const int Steps = 140, Lanes = 8, SlowFrom = 30, SlowSteps = 50;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_OneReplicaSlowForAWhile_LanesGoAndComeBackAndTheWeightsAreEqual()
    {
        var undisturbed = await new EmbeddedRunHost().RunAsync(Request("alone"), new QuietObserver(), Ports.Free(), CancellationToken.None);

        await using var cluster = await LocalCluster.StartAsync(
            new LocalClusterOptions { Runs = _run.Runs, Silos = 2, Faults = true }, (_, _) => { }, CancellationToken.None);
        await using var connection = await ClusterConnection.OpenAsync(cluster.State);
        var job = TrainingJob.KeyOf("balanced", StageNames.Pretraining);
        // Both sleep after each lane, so that a machine with few cores shows two replicas that are alike; then one sleeps far longer.
        await SlowAsync(cluster.State.Silos[0], 0, Steps, 0.01);
        await SlowAsync(cluster.State.Silos[1], 0, Steps, 0.01);
        await SlowAsync(cluster.State.Silos[1], SlowFrom, SlowSteps, 0.09);
        var balanced = await new ClusterRunHost(cluster.State, "cluster").RunAsync(Request("balanced"), new QuietObserver(), null, CancellationToken.None);

        var entries = FaultInjector.Read(cluster.State.Faults!, job);
        var ledger = LedgerReport.Of(entries, Steps, Lanes);
        Assert.Equal((undisturbed.WeightsSha256, undisturbed.ValidationLoss, 0), (balanced.WeightsSha256, balanced.ValidationLoss, balanced.CheckpointsLoaded));
        Assert.Equal((0, 0, Steps * Lanes + ledger.LanesLost), (ledger.SamplesLost, ledger.SamplesRepeated, ledger.LanesComputed));
        // Were no lanes moved, equal weights would say nothing.
        var slow = cluster.State.Silos[1].Name;
        Assert.True(LanesOfTheSlowOne(SlowFrom + SlowSteps - 1) <= 2, string.Join(' ', Enumerable.Range(0, Steps).Select(LanesOfTheSlowOne)));
        Assert.True(LanesOfTheSlowOne(Steps - 1) >= 3, string.Join(' ', Enumerable.Range(0, Steps).Select(LanesOfTheSlowOne)));

        int LanesOfTheSlowOne(int step) => entries.Count(e =>
            e.Event == LedgerEvent.Computed && e.Step == step && ReplicaKey.Parse(ReplicaKey.OfMember(e.Member)).Silo == slow);

        Task SlowAsync(LocalProcess silo, long from, long steps, double seconds) => connection.Grains
            .GetGrain<IFaultGrain>(new ReplicaKey("faults", silo.Name, 0).ToString()).ArmAsync(FaultKind.Slow, StepPhase.Backward, from, seconds, steps);
    }

    private Cluster.Silo.Stages.RunRequest Request(string name)
    {
        var request = _run.Request(name, Steps);
        return request with { Recipe = request.Recipe with { Training = request.Recipe.Training with { Lanes = Lanes } } };
    }
}
