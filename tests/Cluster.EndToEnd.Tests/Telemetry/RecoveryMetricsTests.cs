using System.Globalization;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>What the silos that are left show of a loss: even of one that took the coordinator, and its counts, with it.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class RecoveryMetricsTests : IDisposable
{
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Metrics_SiloOfTheCoordinatorKilled_OneLossAndARecovery()
    {
        var runs = _run.Runs;
        await using var up = LineProcess.Cluster("up", "--silos", "2", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        await using var connection = await ClusterConnection.OpenAsync(state);
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf("watched", StageNames.Pretraining));
        LocalProcess? victim = null;
        var during = "";
        using var http = new HttpClient();
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Loss is null)
                    return;
                if (victim is null && point.Step >= 40)
                {
                    var host = connection.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress(coordinator).AsTask().GetAwaiter().GetResult();
                    victim = state.Silos.Single(silo => silo.Port == host!.Endpoint.Port);
                    during = http.GetStringAsync(new Uri(new Uri(state.Silos.Single(silo => silo != victim).Http!), "/metrics")).GetAwaiter().GetResult();
                    Posix.Kill(victim.Process.Pid);
                }
            },
        };

        await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("watched", steps: 300, checkpointEvery: 100), observer, null, CancellationToken.None);
        Assert.NotNull(victim);
        var after = await http.GetStringAsync(new Uri(new Uri(state.Silos.Single(silo => silo != victim).Http!), "/metrics"));

        // Two processes on one host read each other's memory.
        Assert.True(Sum(during, "cluster_training_exchange_io_bytes_total", "shared_memory") > 0, during);
        Assert.Equal(0, Sum(during, "cluster_training_exchange_io_bytes_total", "tcp"));
        Assert.Equal(1, Sum(after, "cluster_training_replicas_lost_total"));
        Assert.True(Sum(after, "cluster_training_recoveries_total") >= 1, after);
        Assert.True(Sum(after, "cluster_training_recovery_time_seconds_total") > 0, after);
        Assert.Equal(0, Sum(after, "cluster_training_running"));
        Assert.Equal(300, Sum(after, "cluster_training_steps_total"));
        Assert.Equal(0, await up.EndAsync());
    }

    private static double Sum(string metrics, string name, string tag = "") => metrics.Split('\n')
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) && line.Contains($"\"{tag}", StringComparison.Ordinal))
        .Sum(line => double.Parse(line[(line.LastIndexOf('}') + 1)..].Trim().Split(' ')[0], CultureInfo.InvariantCulture));
}
