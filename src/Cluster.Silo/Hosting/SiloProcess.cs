using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;
using Cluster.Silo.Hosting.Gpu;
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
/// that replicas of other silos reach this one's at, else <c>Orleans:Endpoints:AdvertisedIPAddress</c>, else the address that the silo took.</item>
/// <item><c>Cluster:Faults</c>, a folder: faults may be injected, and a ledger of every lane is kept there. For tests only.</item>
/// <item><c>Cluster:RunsPath</c> and <c>Cluster:Inference</c>, see <see cref="InferenceOptions"/>.</item>
/// <item><c>Cluster:Gpu</c>, see <see cref="GpuInstruments.Check"/>.</item>
/// <item><c>Cluster:Tracing:StepsPerTrace</c>, see <see cref="TracingOptions"/>.</item>
/// <item><c>Cluster:Training:BalanceLanes</c>, see <see cref="BalancingOptions"/>.</item>
/// <item><c>Cluster:HttpPort</c> and <c>Cluster:HttpAddress</c>: health and metrics of a process of its own, see <see cref="SiloHttp"/>.</item>
/// <item><c>Orleans:Endpoints:SiloPort</c> and <c>GatewayPort</c>.</item>
/// <item>With a store: <c>Orleans:ClusterId</c>, <c>Orleans:ServiceId</c>, and the providers as <see cref="StoreConnections"/> says.</item>
/// <item>Without: <c>Cluster:PrimarySiloPort</c>, the port of the silo on this machine that keeps the membership table.</item>
/// </list>
/// </summary>
public static class SiloProcess
{
    private const string SiloPortKey = "Orleans:Endpoints:SiloPort", GatewayPortKey = "Orleans:Endpoints:GatewayPort";
    private const int DefaultSiloPort = 11_111, DefaultGatewayPort = 30_000;

    /// <summary>Runs a silo until the process is told to end. Prints a <see cref="ReadyLine"/> when it is a member of the cluster.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            var builder = Host.CreateApplicationBuilder(args);
            builder.AddServiceDefaults("cluster-silo", builder.Configuration["Cluster:SiloName"]);
            Configure(builder);
            // What ends the start is said below, in one line.
            builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
            using var http = builder.AddSiloHttp();
            using var host = builder.Build();
            await using var probes = http is null ? null : await ProbeServer.StartAsync(http, host.Services);
            try
            {
                await host.Services.WaitForStoresAsync(Console.Error.WriteLine);
            }
            catch (UserErrorException error)
            {
                await Console.Error.WriteLineAsync(error.Message);
                return ExitCodes.StoreUnreachable;
            }

            if (await host.Services.OtherClustersAsync() is { Count: > 0 } others)
                await Console.Error.WriteLineAsync($"This silo begins the cluster {builder.Configuration[StoreConnections.ClusterId]}; the store knows {string.Join(", ", others)} besides.");
            try
            {
                await host.StartAsync();
            }
            catch (Exception error) when (Occupied(error))
            {
                await Console.Error.WriteLineAsync(
                    $"Port {Port(builder.Configuration, SiloPortKey, DefaultSiloPort)} or {Port(builder.Configuration, GatewayPortKey, DefaultGatewayPort)} is occupied by another process. Give others as {SiloPortKey} and {GatewayPortKey}.");
                return ExitCodes.PortOccupied;
            }

            var silo = host.Services.GetRequiredService<ILocalSiloDetails>();
            await Console.Out.WriteLineAsync(ReadyLine.Of(silo.Name, silo.SiloAddress.Endpoint, http?.Address));
            await host.WaitForShutdownAsync();
            return ExitCodes.Done;
        }
        catch (UserErrorException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return ExitCodes.Mistake;
        }

        static bool Occupied(Exception? error) => error switch
        {
            null => false,
            SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } => true,
            AggregateException all => all.InnerExceptions.Any(Occupied),
            _ => Occupied(error.InnerException),
        };
    }

    /// <summary>Adds a silo to a host.</summary>
    /// <exception cref="UserErrorException">A value of the configuration is of no use.</exception>
    public static void Configure(IHostApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        var name = configuration["Cluster:SiloName"] ?? "silo";
        if (name.Contains('|', StringComparison.Ordinal))
            throw new UserErrorException($"Cluster:SiloName is \"{name}\".", "Give a name without '|'.");
        int siloPort = Port(configuration, SiloPortKey, DefaultSiloPort), gatewayPort = Port(configuration, GatewayPortKey, DefaultGatewayPort);
        var primary = Port(configuration, "Cluster:PrimarySiloPort", siloPort);
        var dataPlane = Address("Cluster:DataPlaneAddress") ?? Address("Orleans:Endpoints:AdvertisedIPAddress");
        builder.Services.AddSingleton(services => new ExchangeHub(
            dataPlane ?? services.GetRequiredService<ILocalSiloDetails>().SiloAddress.Endpoint.Address, logger: services.GetRequiredService<ILogger<ExchangeHub>>()));
        var gpus = Nvml.Load();
        GpuInstruments.Check(configuration, gpus);
        builder.Services.AddHostedService(services => new GpuInstruments(services.GetRequiredService<IMeterFactory>(), TimeProvider.System, gpus));
        builder.Services.AddTrainingInstruments();
        builder.Services.AddSingleton(TracingOptions.Of(configuration));
        builder.Services.AddSingleton(BalancingOptions.Of(configuration));
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<TrainingSilos>();
        builder.Services.AddSingleton<InferenceSilos>();
        builder.Services.AddSingleton<DataSilos>();
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
        builder.Logging.AddFilter("Orleans", LogLevel.Warning).AddFilter("Microsoft.Orleans", LogLevel.Warning)
            // Of each placement, two paragraphs.
            .AddFilter("Polly", LogLevel.Warning);

        IPAddress? Address(string key) => configuration[key] is not { Length: > 0 } text
            ? null
            : IPAddress.TryParse(text, out var address) ? address : throw new UserErrorException($"{key} is \"{text}\".", "Give an IP address.");
    }

    private static int Port(IConfiguration configuration, string key, int otherwise)
    {
        var text = configuration[key];
        if (text is null)
            return otherwise;
        return int.TryParse(text, out var port) && port is > 0 and < 65_536
            ? port
            : throw new UserErrorException($"{key} is \"{text}\".", "Give a port from 1 to 65535.");
    }
}
