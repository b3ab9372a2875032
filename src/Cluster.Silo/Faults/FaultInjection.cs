using Cluster.Silo.DataPlane;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Providers;
using Orleans.Storage;

namespace Cluster.Silo.Faults;

/// <summary>Whether things may be made to go wrong on a silo: only where its configuration says so.</summary>
internal static class FaultInjection
{
    /// <summary>The folder of ledgers; faults are off where it is missing.</summary>
    public const string Key = "Cluster:Faults";

    /// <summary>Adds the injector where the configuration allows faults.</summary>
    public static void AddFaultInjection(this IServiceCollection services, IConfiguration configuration)
    {
        if (configuration[Key] is not { Length: > 0 } folder)
            return;
        services.AddSingleton(provider => new FaultInjector(
            folder, provider.GetRequiredService<ExchangeHub>(),
            new SecondCoordinator(
                provider.GetRequiredService<IGrainFactory>(),
                provider.GetRequiredKeyedService<IGrainStorage>(ProviderConstants.DEFAULT_STORAGE_PROVIDER_NAME))));
    }
}
