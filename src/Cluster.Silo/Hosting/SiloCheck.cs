using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Cluster.Silo.Hosting;

/// <summary>Ready means: a member of the cluster that is not about to leave, whose stores answer.</summary>
internal sealed class SiloCheck(
    IHostApplicationLifetime lifetime, IClusterMembershipService membership, ILocalSiloDetails silo, IServiceProvider services) : IHealthCheck
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            return HealthCheckResult.Unhealthy("the silo is leaving");
        var status = membership.CurrentSnapshot.GetSiloStatus(silo.SiloAddress);
        if (status != SiloStatus.Active)
            return HealthCheckResult.Unhealthy($"the silo is no member of the cluster: {status}");
        try
        {
            await services.CheckStoresAsync().WaitAsync(s_patience, cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception error) when (error is UserErrorException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(error is UserErrorException user ? user.What : "the store does not answer", error);
        }
    }
}
