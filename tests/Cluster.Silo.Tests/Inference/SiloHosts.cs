using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Tests.Inference;

/// <summary>Silos in this process, each configured as its own process would be.</summary>
internal sealed class SiloHosts(string runs, IReadOnlyDictionary<string, string?>? settings = null) : IAsyncDisposable
{
    private readonly Dictionary<string, IHost> _hosts = new(StringComparer.Ordinal);
    private int _primaryPort;

    /// <summary>Grains as the first silo sees them.</summary>
    public IGrainFactory Grains => _hosts.Values.First().Services.GetRequiredService<IGrainFactory>();

    /// <summary>Starts a silo; the first one keeps the membership.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="roles">By commas.</param>
    /// <param name="saysGoodbye">Whether its workers give up their replies when it is killed, as when it is told to end.</param>
    public async Task StartAsync(string name, string roles, bool saysGoodbye = true)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var port = FreePort();
        if (_primaryPort == 0)
            _primaryPort = port;
        builder.Configuration.AddInMemoryCollection(settings ?? new Dictionary<string, string?>());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Cluster:SiloName"] = name,
            ["Cluster:Roles"] = roles,
            ["Cluster:RunsPath"] = runs,
            ["Cluster:PrimarySiloPort"] = $"{_primaryPort}",
            ["Orleans:Endpoints:SiloPort"] = $"{port}",
            ["Orleans:Endpoints:GatewayPort"] = $"{FreePort()}",
        });
        SiloProcess.Configure(builder);
        builder.Logging.ClearProviders();
        if (!saysGoodbye)
        {
            foreach (var drain in builder.Services.Where(service => service.ServiceType == typeof(IReplicaDrain)).ToArray())
                builder.Services.Remove(drain);
        }

        var host = builder.Build();
        _hosts.Add(name, host);
        await host.StartAsync();
    }

    /// <summary>Ends a silo without waiting for anything.</summary>
    public async Task KillAsync(string name)
    {
        _hosts.Remove(name, out var host);
        await host!.StopAsync(new CancellationToken(canceled: true));
        await ((IAsyncDisposable)host).DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // The first one last: the others leave through it.
        foreach (var name in _hosts.Keys.Reverse().ToArray())
            await KillAsync(name);
    }

    private static int FreePort() => Ports.Free();
}
