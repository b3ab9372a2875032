using Cluster.Contracts.Runs;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Orleans;

namespace Cluster.Web.Api;

/// <summary>Ready means that a grain answers within two seconds.</summary>
internal sealed class ClusterCheck(IGrainFactory grains) : IHealthCheck
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await grains.Find<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync().WaitAsync(s_patience, cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return HealthCheckResult.Unhealthy("the cluster does not answer", error);
        }
    }
}
