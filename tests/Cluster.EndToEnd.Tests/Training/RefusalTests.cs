using System.Text.RegularExpressions;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Models;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>A silo that would not give the same bits comes while a run trains.</summary>
[Collection(ProcessCollection.Training)]
public sealed class RefusalTests : IDisposable
{
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Bf16Fact]
    public async Task Train_SiloOfOtherArithmeticJoins_RefusedWithBothFingerprintsAndTrainingGoesOn()
    {
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--runs", _run.Runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(_run.Runs).Running("cluster");
        var trains = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var observer = new QuietObserver { OnPoint = point => { if (point.Loss is not null) Volatile.Read(ref trains).TrySetResult(); } };
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(100));
        var training = new ClusterRunHost(state, "cluster").RunAsync(_run.Request("refusing", steps: 100_000, precision: Precision.Bf16), observer, null, enough.Token);
        await trains.Task.WaitAsync(enough.Token);

        // The same program on the same machine, but its products are added up in another order: like a processor of another kind.
        var environment = ClusterContract.AsEnvironment(ClusterContract.Silo(state, "silo-foreign", Ports.Free(), Ports.Free()));
        environment["ONEDNN_MAX_CPU_ISA"] = "AVX2";
        await using var foreign = LineProcess.Cluster(environment, "silo");
        await up.WaitForAsync("The replica's arithmetic differs");

        var said = Regex.Match(await File.ReadAllTextAsync(state.Silos.Single().Log, enough.Token),
            "Replica (.*silo-foreign.*) is refused: .* its fingerprint is ([0-9a-f]+), the run's is ([0-9a-f]+)");
        Assert.True(said.Success);
        Assert.NotEqual(said.Groups[2].Value, said.Groups[3].Value);
        Assert.False(foreign.Exited.IsCompleted, "it may serve other runs");
        Volatile.Write(ref trains, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await trains.Task.WaitAsync(enough.Token);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => training);
        // Its silos still train and write: a supervisor that is killed leaves them to end by themselves.
        foreign.Kill();
        Assert.Equal(0, await up.EndAsync());
    }
}
