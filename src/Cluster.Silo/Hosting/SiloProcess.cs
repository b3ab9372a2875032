using System.Net;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;
using Cluster.Silo.Inference;
using Cluster.Silo.Simulation;
using Cluster.Silo.Training;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace Cluster.Silo.Hosting;

/// <summary>
/// A silo as a process or inside another one. Configuration, the same under Aspire, Kubernetes and <c>cluster up</c>:
/// <list type="bullet">
/// <item><c>Cluster:SiloName</c>; <c>Cluster:Roles</c>, see <see cref="SiloRoles"/>; <c>Cluster:DataPlaneAddress</c>, the IP address
/// that replicas of other silos reach this one's at, else <c>Orleans:Endpoints:AdvertisedIPAddress</c>, else loopback.</item>
/// <item><c>Cluster:Faults</c>, a folder: faults may be injected, and a ledger of every lane is kept there. For tests only.</item>
/// <item><c>Cluster:RunsPath</c> and <c>Cluster:Inference</c>, see <see cref="InferenceOptions"/>.</item>
/// <item><c>Cluster:HttpPort</c> and <c>Cluster:HttpAddress</c>: health and metrics of a process of its own, see <see cref="SiloHttp"/>.</item>
/// <item><c>Orleans:Endpoints:SiloPort</c> and <c>GatewayPort</c>.</item>
/// <item>With a store: <c>Orleans:ClusterId</c>, <c>Orleans:ServiceId</c>, and the providers as <see cref="StoreConnections"/> says.</item>
/// <item>Without: <c>Cluster:PrimarySiloPort</c>, the port of the silo on this machine that keeps the membership table.</item>
/// </list>
/// </summary>
public static class SiloProcess
{
    /// <summary>Runs a silo until the process is told to end. Prints a <see cref="ReadyLine"/> when it is a member of the cluster.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            var builder = Host.CreateApplicationBuilder(args);
            builder.AddServiceDefaults();
            Configure(builder);
            using var http = builder.AddSiloHttp();
            using var host = builder.Build();
            await using var probes = http is null ? null : await ProbeServer.StartAsync(http, host.Services);
            await host.Services.CheckStoresAsync();
            await host.StartAsync();
            var silo = host.Services.GetRequiredService<ILocalSiloDetails>();
            await Console.Out.WriteLineAsync(ReadyLine.Of(silo.Name, silo.SiloAddress.Endpoint, http?.Address));
            await host.WaitForShutdownAsync();
            return 0;
        }
        catch (UserErrorException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
    }

    /// <summary>Adds a silo to a host.</summary>
    /// <exception cref="UserErrorException">A value of the configuration is of no use.</exception>
    public static void Configure(IHostApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        var name = configuration["Cluster:SiloName"] ?? "silo";
        if (name.Contains('|', StringComparison.Ordinal))
            throw new UserErrorException($"Cluster:SiloName is \"{name}\".", "Give a name without '|'.");
        int siloPort = Port("Orleans:Endpoints:SiloPort", 11_111), gatewayPort = Port("Orleans:Endpoints:GatewayPort", 30_000);
        var primary = Port("Cluster:PrimarySiloPort", siloPort);
        var dataPlane = Address("Cluster:DataPlaneAddress") ?? Address("Orleans:Endpoints:AdvertisedIPAddress") ?? IPAddress.Loopback;
        builder.Services.AddSingleton(services => new ExchangeHub(dataPlane, logger: services.GetRequiredService<ILogger<ExchangeHub>>()));
        builder.Services.AddTrainingInstruments();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<TrainingSilos>();
        builder.Services.AddSingleton<InferenceSilos>();
        builder.Services.AddSingleton(InferenceOptions.Of(configuration));
        builder.Services.AddSingleton<InferenceInstruments>();
        builder.Services.AddSingleton<LocalWorkers>();
        builder.Services.AddSingleton<IReplicaDrain>(services => services.GetRequiredService<LocalWorkers>());
        builder.Services.AddFaultInjection(configuration);
        builder.Services.AddSingleton<SimulatedReplicas>();
        builder.Services.AddSingleton<LocalReplicas>();
        builder.Services.AddSingleton<IReplicaDrain>(services => services.GetRequiredService<LocalReplicas>());
        builder.AddStores();
        builder.UseOrleans(silo =>
        {
            SiloMembership.Configure(silo, configuration, siloPort, gatewayPort, primary);
            silo.Configure<SiloOptions>(options => options.SiloName = name);
            // A record that the in-memory store placed on another silo than the grain that writes it would die with that silo.
            silo.Services.AddSingleton<PlacementStrategy, PreferLocalPlacement>();
            silo.Services.AddPlacementDirector<SiloNamePlacement, SiloNamePlacementDirector>();
            silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, ReplicaDrainParticipant>();
        });
        builder.Logging.AddFilter("Orleans", LogLevel.Warning).AddFilter("Microsoft.Orleans", LogLevel.Warning);

        int Port(string key, int otherwise)
        {
            var text = configuration[key];
            if (text is null)
                return otherwise;
            return int.TryParse(text, out var port) && port is > 0 and < 65_536
                ? port
                : throw new UserErrorException($"{key} is \"{text}\".", "Give a port from 1 to 65535.");
        }

        IPAddress? Address(string key) => configuration[key] is not { Length: > 0 } text
            ? null
            : IPAddress.TryParse(text, out var address) ? address : throw new UserErrorException($"{key} is \"{text}\".", "Give an IP address.");
    }
}
