using System.Net;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Storage;

namespace Cluster.Silo.Hosting;

/// <summary>Where a silo keeps membership and grain storage: in the store that the configuration names, or in its own memory.</summary>
internal static class SiloMembership
{
    private const string DefaultStorage = "Orleans:GrainStorage:Default:ProviderType";

    /// <summary>Adds the providers. Those of a store are added by Orleans itself, which reads the same configuration.</summary>
    public static void Configure(ISiloBuilder silo, IConfiguration configuration, int siloPort, int gatewayPort, int primaryPort)
    {
        if (!StoreConnections.HasStore(configuration))
        {
            silo.UseLocalhostClustering(siloPort, gatewayPort, new IPEndPoint(IPAddress.Loopback, primaryPort));
            silo.AddMemoryGrainStorageAsDefault();
        }
        else if (configuration[DefaultStorage] is not StoreConnections.Redis)
        {
            throw new UserErrorException(
                $"{DefaultStorage} is {(configuration[DefaultStorage] is { } other ? $"\"{other}\"" : "missing")}, though the membership is kept in a store.",
                $"Give {StoreConnections.Redis}: what a silo keeps in its own memory dies with it.");
        }

        StoreConnections.CheckNames(configuration);
        // As messages travel: by the ids of their fields, and whatever a collection is made of.
        silo.Services.AddSingleton<IGrainStorageSerializer, OrleansGrainStorageSerializer>();

        // A silo that is killed is missed within two seconds. Training does not wait for it: its own sockets break sooner.
        silo.Configure<ClusterMembershipOptions>(options =>
        {
            options.ProbeTimeout = TimeSpan.FromSeconds(1);
            // Not adapted to less: a machine that is busy with training takes its time to answer.
            options.MinProbeTimeout = TimeSpan.FromSeconds(1);
            options.NumMissedProbesLimit = 2;
            options.NumVotesForDeathDeclaration = 1;
            // Asking a third silo first takes as long as that one takes, and it may be the next to hang.
            options.EnableIndirectProbes = false;
            options.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            // After three of these a silo that died with all others no longer keeps a new one from joining.
            options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
        });
        var roles = string.Join(',', SiloRoles.Of(configuration));
        silo.UseSiloMetadata(new Dictionary<string, string>(StringComparer.Ordinal) { [SiloRoles.Key] = roles });
    }
}
