using System.Globalization;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A store in a process of its own, with silos of this process on it.</summary>
internal sealed class TestStore : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-store-").FullName;
    private readonly bool _isRedis;
    private readonly List<IHost> _hosts = [];
    private LineProcess? _process;

    private readonly string _host;

    private TestStore(bool isRedis, string host = "127.0.0.1") => (_isRedis, _host) = (isRedis, host);

    public int Port { get; } = Ports.Free();

    public string Address => string.Create(CultureInfo.InvariantCulture, $"{_host}:{Port}");

    /// <summary>The real thing, as installed.</summary>
    /// <param name="host">The address that it listens on.</param>
    public static Task<TestStore> RedisAsync(string host = "127.0.0.1") => new TestStore(isRedis: true, host).RunAsync();

    /// <summary>The program's hidden verb.</summary>
    public static Task<TestStore> GarnetAsync() => new TestStore(isRedis: false).RunAsync();

    /// <summary>SIGKILL, and the same store again on its data.</summary>
    public async Task KillAndRestartAsync()
    {
        _process!.Kill();
        await _process.Exited;
        await _process.DisposeAsync();
        await RunAsync();
    }

    /// <summary>Starts a silo of a cluster.</summary>
    public async Task<IHost> SiloAsync(string name, string cluster)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(Configuration(name, cluster));
        SiloProcess.Configure(builder);
        var host = builder.Build();
        _hosts.Add(host);
        await host.StartAsync();
        return host;
    }

    public async Task StopAsync(IHost host)
    {
        _hosts.Remove(host);
        await host.StopAsync();
        host.Dispose();
    }

    public Task<ConnectionMultiplexer> ConnectAsync() => ConnectionMultiplexer.ConnectAsync(Address);

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts.ToList())
            await StopAsync(host);
        if (_process is not null)
            await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<TestStore> RunAsync()
    {
        var port = Port.ToString(CultureInfo.InvariantCulture);
        _process = _isRedis
            ? LineProcess.Start(RedisFactAttribute.Server!, "--port", port, "--bind", _host, "--protected-mode", "no", "--dir", _folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
            : LineProcess.Cluster("store", "--port", port, "--data", _folder);
        await _process.WaitForAsync(_isRedis ? "Ready to accept connections" : "store is up at");
        return this;
    }

    /// <summary>Configuration of a silo of a cluster on this store, with free ports.</summary>
    public Dictionary<string, string?> Configuration(string name, string cluster) => new(StringComparer.Ordinal)
    {
        ["Orleans:ClusterId"] = cluster,
        ["Orleans:ServiceId"] = cluster,
        ["Orleans:Clustering:ProviderType"] = "Redis",
        ["Orleans:Clustering:ServiceKey"] = "redis",
        ["Orleans:GrainStorage:Default:ProviderType"] = "Redis",
        ["Orleans:GrainStorage:Default:ServiceKey"] = "redis",
        ["Orleans:Reminders:ProviderType"] = "Redis",
        ["Orleans:Reminders:ServiceKey"] = "redis",
        ["Orleans:EnableDistributedTracing"] = "true",
        ["Orleans:Endpoints:AdvertisedIPAddress"] = "127.0.0.1",
        ["Orleans:Endpoints:SiloPort"] = $"{Ports.Free()}",
        ["Orleans:Endpoints:GatewayPort"] = $"{Ports.Free()}",
        ["ConnectionStrings:redis"] = Address,
        ["Cluster:SiloName"] = name,
    };
}
