using System.Net;
using Cluster.Core.Errors;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Training;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace Cluster.Silo.Hosting;

/// <summary>
/// A silo as a process or inside another one. Configuration: <c>Cluster:SiloName</c>, <c>Orleans:Endpoints:SiloPort</c> and
/// <c>GatewayPort</c>, and <c>Cluster:PrimarySiloPort</c>, the port of the silo on this machine that keeps the membership table.
/// </summary>
public static class SiloProcess
{
    /// <summary>Runs a silo until the process is told to end.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(args);
        try
        {
            Configure(builder);
            using var host = builder.Build();
            await host.RunAsync();
            return 0;
        }
        catch (UserErrorException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
    }

    /// <summary>Adds a silo to a host.</summary>
    public static void Configure(IHostApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        var name = configuration["Cluster:SiloName"] ?? "silo";
        if (name.Contains('|', StringComparison.Ordinal))
            throw new UserErrorException($"Cluster:SiloName is \"{name}\".", "Give a name without '|'.");
        int siloPort = Port("Orleans:Endpoints:SiloPort", 11_111), gatewayPort = Port("Orleans:Endpoints:GatewayPort", 30_000);
        var primary = Port("Cluster:PrimarySiloPort", siloPort);
        builder.Services.AddSingleton(new ExchangeHub(IPAddress.Loopback));
        builder.Services.AddSingleton<TrainingInstruments>();
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(siloPort, gatewayPort, new IPEndPoint(IPAddress.Loopback, primary));
            silo.Configure<SiloOptions>(options => options.SiloName = name);
            // The in-memory store keeps its records in grains of its own, which must stay with the coordinator that writes them: a
            // record placed on another silo would die with that silo.
            silo.AddMemoryGrainStorageAsDefault();
            silo.Services.AddSingleton<PlacementStrategy, PreferLocalPlacement>();
            silo.Services.AddPlacementDirector<SiloNamePlacement, SiloNamePlacementDirector>();
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
    }
}
