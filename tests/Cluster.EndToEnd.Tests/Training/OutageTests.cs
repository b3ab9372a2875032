using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Errors;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>What training needs besides its silos goes away while it trains: the store, the checkpoints' folder.</summary>
[Collection(ProcessCollection.Training)]
public sealed class OutageTests : IDisposable
{
    private const int Steps = 300;
    private const int CheckpointEvery = 20;
    private readonly SmallRun _run = new();

    private string Runs => _run.Runs;

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_StoreKilledAndCheckpointFolderVanishes_GoesOnToTheSameWeights()
    {
        var undisturbed = await new EmbeddedRunHost().RunAsync(_run.Request("alone", Steps, CheckpointEvery), new QuietObserver(), null, CancellationToken.None);
        await using var up = LineProcess.Cluster("up", "--silos", "2", "--runs", Runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(Runs).Running("cluster");
        var checkpoints = Path.Combine(Runs, "outage", "checkpoints");
        var happened = false;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (happened || point.Loss is null)
                    return;
                happened = true;
                using (var store = System.Diagnostics.Process.GetProcessById(state.Others.Single(process => process.Name == "store").Process.Pid))
                    store.Kill();
                // A file where the folder should be: not even root can write there.
                if (Directory.Exists(checkpoints))
                    Directory.Delete(checkpoints, recursive: true);
                File.WriteAllText(checkpoints, "");
            },
            OnWarning = warning =>
            {
                if (warning.StartsWith("The checkpoint of step", StringComparison.Ordinal))
                    File.Delete(checkpoints);
            },
        };
        var disturbed = await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("outage", Steps, CheckpointEvery), observer, null, CancellationToken.None);

        await up.WaitForAsync("store was killed (signal 9); it is started again");
        Assert.Contains(observer.Warnings, warning => warning.StartsWith("The checkpoint of step", StringComparison.Ordinal) && warning.Contains("Training goes on", StringComparison.Ordinal));
        Assert.Equal((undisturbed.WeightsSha256, 0), (disturbed.WeightsSha256, disturbed.CheckpointsLoaded));
    }

    [RedisFact]
    public async Task Train_StoreComesBackEmpty_StopsWithTheReason()
    {
        await using var store = await TestStore.RedisAsync();
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--redis", store.Address, "--runs", Runs);
        await up.WaitForAsync("Ctrl-C ends it");
        await using var redis = await store.ConnectAsync();
        var emptied = false;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (emptied || point.Loss is null)
                    return;
                emptied = true;
                redis.GetDatabase().Execute("FLUSHALL");
            },
        };

        var error = await Assert.ThrowsAsync<UserErrorException>(() =>
            new ClusterRunHost(new ClusterFolder(Runs).Running("cluster"), "cluster").RunAsync(_run.Request("emptied", steps: 100_000, CheckpointEvery), observer, null, CancellationToken.None));

        // Whoever finds it first says so: a driver that writes, a coordinator that commits, or a new one that a replica already knows.
        Assert.Matches("The store (has come back|is) empty", error.What);
    }
}
