using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Faults;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>An upgrade while a run trains: every silo gets SIGTERM and is replaced, and nothing is computed twice or from a checkpoint.</summary>
[Collection(ProcessCollection.Name)]
public sealed class RollingRestartTests : IDisposable
{
    private const int Steps = 1_500, Lanes = 4, Begin = 40;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_EverySiloReplacedInTurn_SameWeightsNoCheckpointAndNoLaneLost()
    {
        var undisturbed = await new EmbeddedRunHost().RunAsync(_run.Request("alone", Steps, checkpointEvery: Steps), new QuietObserver(), null, CancellationToken.None);
        var runs = _run.Runs;
        // With a ledger of every lane; no fault is asked for.
        await using var up = LineProcess.Cluster("up", "--silos", "3", "--faults", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        Task<(int Code, string Text)>? roll = null;
        long last = 0, rolledAt = long.MaxValue;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Loss is null)
                    return;
                Volatile.Write(ref last, point.Step);
                if (point.Step < Begin || roll is not null)
                    return;
                roll = LineProcess.RunAsync("silo", "roll", "--runs", runs);
                _ = roll.ContinueWith(_ => Volatile.Write(ref rolledAt, Volatile.Read(ref last)), TaskScheduler.Default);
            },
        };

        var rolled = await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("rolled", Steps, checkpointEvery: Steps), observer, null, CancellationToken.None);

        var (code, text) = await roll!;
        Assert.True(code == 0, text);
        Assert.Equal("silo-1 has left; silo-4 takes its place.\nsilo-2 has left; silo-5 takes its place.\nsilo-3 has left; silo-6 takes its place.", text);
        // "Has left" is said of exit code 0 only.
        foreach (var silo in (string[])["silo-1", "silo-2", "silo-3"])
            await up.WaitForAsync($"{silo} has left");
        Assert.True(rolledAt < Steps, "The run ended before the last silo was replaced.");
        Assert.Equal((undisturbed.WeightsSha256, undisturbed.ValidationLoss, 0), (rolled.WeightsSha256, rolled.ValidationLoss, rolled.CheckpointsLoaded));
        var ledger = LedgerReport.Of(FaultInjector.Read(state.Faults!, TrainingJob.KeyOf("rolled", StageNames.Pretraining)), Steps, Lanes);
        Assert.Equal((Steps * (long)Lanes, 0, 0, 0), (ledger.LanesComputed, ledger.LanesLost, ledger.SamplesLost, ledger.SamplesRepeated));
        Assert.Equal(0, await up.EndAsync());
    }
}
