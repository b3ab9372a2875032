using Cluster.Contracts.Runs;
using Cluster.Core.Runs;

namespace Cluster.Web.Tests.Hosting;

/// <summary>A host whose runs are reported by tests.</summary>
public sealed class LiveCluster : WebHost
{
    /// <summary>Reports a run as the training would.</summary>
    public async Task<IRunGrain> ReportAsync(string run, IReadOnlyList<string>? metrics = null, IReadOnlyList<string>? samples = null)
    {
        var grain = Grains.GetGrain<IRunGrain>(run);
        await grain.ReportAsync(new RunStatus(run, "running", StageNames.Pretraining, 0.25, "step 30 of 120", 3_100_000, 120));
        await grain.AppendMetricsAsync(metrics ?? []);
        foreach (var sample in samples ?? [])
            await grain.AppendSampleAsync(sample);
        return grain;
    }
}

/// <summary>Tests that share one cluster; each reports runs of its own names.</summary>
[CollectionDefinition(Name)]
public sealed class LiveClusterCollection : ICollectionFixture<LiveCluster>
{
    public const string Name = "live cluster";
}
