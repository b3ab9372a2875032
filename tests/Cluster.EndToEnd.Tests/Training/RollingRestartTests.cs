using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Faults;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>An upgrade while a run trains: every silo gets SIGTERM and is replaced, and nothing is computed twice or from a checkpoint.</summary>
[Collection(ProcessCollection.Training)]
public sealed class RollingRestartTests : IDisposable
{
    private const int Lanes = 4, Begin = 40;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_EverySiloReplacedInTurn_SameWeightsNoCheckpointAndNoLaneLost()
    {
        // More steps than are made: the run is ended when the last silo is replaced, however long that takes here.
        var request = _run.Request("rolled", steps: 100_000, checkpointEvery: 100_000, evaluateEvery: 100_000);
        var runs = _run.Runs;
        // With a ledger of every lane; no fault is asked for.
        await using var up = LineProcess.Cluster("up", "--silos", "3", "--faults", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        Task<(int Code, string Text)>? roll = null, cancel = null;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Loss is not null && point.Step >= Begin)
                    roll ??= LineProcess.RunAsync("silo", "roll", "--runs", runs);
                if (roll is { IsCompleted: true })
                    cancel ??= LineProcess.RunAsync("cancel", "rolled", "--runs", runs);
            },
        };

        var ended = await Assert.ThrowsAsync<UserErrorException>(() => new ClusterRunHost(state, "cluster").RunAsync(request, observer, null, CancellationToken.None));

        var (code, text) = await roll!;
        Assert.True(code == 0, text);
        Assert.Equal("silo-1 has left; silo-4 takes its place.\nsilo-2 has left; silo-5 takes its place.\nsilo-3 has left; silo-6 takes its place.", text);
        Assert.Equal("The run rolled was cancelled.", ended.What);
        Assert.Equal(0, (await cancel!).Code);
        // "Has left" is said of exit code 0 only.
        foreach (var silo in (string[])["silo-1", "silo-2", "silo-3"])
            await up.WaitForAsync($"{silo} has left");
        var rolled = CheckpointStore.Open(Assert.Single(Directory.GetDirectories(_run.Folder("rolled").Checkpoints(StageNames.Pretraining))));
        var steps = rolled.Manifest.Step;
        var ledger = LedgerReport.Of(FaultInjector.Read(state.Faults!, TrainingJob.KeyOf("rolled", StageNames.Pretraining)), steps, Lanes);
        Assert.Equal((steps * Lanes, 0, 0, 0), (ledger.LanesComputed, ledger.LanesLost, ledger.SamplesLost, ledger.SamplesRepeated));
        Assert.Equal(0, RunJson.Parse<RunOrigin>(await File.ReadAllTextAsync(_run.Folder("rolled").Origin), "origin").CheckpointsLoaded);
        Assert.Equal(0, await up.EndAsync());

        var undisturbed = await new EmbeddedRunHost().RunAsync(request with { Folder = _run.Folder("alone"), StopAfter = steps }, new QuietObserver(), null, CancellationToken.None);
        Assert.Equal(undisturbed.WeightsSha256, rolled.Manifest.WeightsSha256);
    }

    [Fact]
    public async Task Train_AllSilosToldToLeaveAtOnce_TheLastOneSavesAndNoStepIsLost()
    {
        const int steps = 400, end = 60;
        var undisturbed = await new EmbeddedRunHost().RunAsync(_run.Request("alone", steps, checkpointEvery: steps), new QuietObserver(), null, CancellationToken.None);
        var runs = _run.Runs;
        // None is due before the end.
        var request = _run.Request("ended", steps, checkpointEvery: steps);
        long last = 0;
        await using (var up = LineProcess.Cluster("up", "--silos", "2", "--runs", runs))
        {
            await up.WaitForAsync("Ctrl-C ends it");
            Task<int>? ending = null;
            var observer = new QuietObserver
            {
                OnPoint = point =>
                {
                    last = Math.Max(last, point.Step);
                    if (point.Step >= end)
                        ending ??= up.EndAsync();
                },
            };
            // Whoever watches sees the cancellation, or that nobody answers any more.
            var host = new ClusterRunHost(new ClusterFolder(runs).Running("cluster"), "cluster") { Patience = TimeSpan.FromSeconds(2) };
            await Assert.ThrowsAsync<UserErrorException>(() => host.RunAsync(request, observer, null, CancellationToken.None));
            Assert.Equal(0, await ending!);
        }

        var resumed = new QuietObserver();
        var summary = await new EmbeddedRunHost().RunAsync(request, resumed, null, CancellationToken.None);

        Assert.Equal((undisturbed.WeightsSha256, 1), (summary.WeightsSha256, summary.CheckpointsLoaded));
        // From where it was told to end, not from the beginning.
        Assert.InRange(resumed.Points.Where(point => point.Loss is not null).Min(point => point.Step), last + 1, steps);
    }
}
