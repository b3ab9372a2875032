using System.Diagnostics;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Hosting;

/// <summary>Runs on a cluster in this process.</summary>
public sealed class EmbeddedRunHost : IRunHost
{
    /// <inheritdoc/>
    public async Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, int? webPort, CancellationToken cancellation)
    {
        await using var cluster = await EmbeddedCluster.StartAsync(webPort, cancellation);
        (observer as IPageObserver)?.Serving(cluster.Page);
        var started = Process.GetCurrentProcess().StartTime;
        var runner = new StageRunner(cluster.Grains, () => DateTime.Now - started, cluster.Data);
        return await runner.RunAsync(request with { Silos = [EmbeddedCluster.SiloName] }, observer, cancellation);
    }
}
