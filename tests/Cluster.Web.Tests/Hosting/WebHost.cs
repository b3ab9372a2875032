using System.Net;
using System.Net.Sockets;
using Cluster.Silo.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans;

namespace Cluster.Web.Tests.Hosting;

/// <summary>A silo and the web in this process, as the demo has them, behind a real Kestrel on a free loopback port.</summary>
public abstract class WebHost : IAsyncLifetime
{
    private WebApplication? _app;

    /// <summary>The runs' path: an empty folder of its own.</summary>
    public string Runs { get; } = Directory.CreateTempSubdirectory("cluster").FullName;

    /// <summary>Port that clients of the cluster connect to.</summary>
    public int GatewayPort { get; } = FreePort();

    /// <summary>Sends to the web.</summary>
    public HttpClient Http { get; } = new();

    /// <summary>The process's services.</summary>
    public IServiceProvider Services => _app!.Services;

    /// <summary>The cluster's grains.</summary>
    public IGrainFactory Grains => Services.GetRequiredService<IGrainFactory>();

    /// <summary>Settings beyond ports and paths.</summary>
    protected virtual Dictionary<string, string?> Settings => [];

    public async Task InitializeAsync()
    {
        Prepare();
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(Settings)
        {
            ["Cluster:RunsPath"] = Runs,
            ["Orleans:Endpoints:SiloPort"] = $"{FreePort()}",
            ["Orleans:Endpoints:GatewayPort"] = $"{GatewayPort}",
        });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        SiloProcess.Configure(builder);
        WebProcess.Configure(builder);
        _app = builder.Build();
        WebProcess.Map(_app);
        await _app.StartAsync();
        Http.BaseAddress = new Uri(_app.Urls.Single());
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(Runs, recursive: true);
    }

    /// <summary>A loopback port that nobody listens on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Puts into the runs' path what the tests need.</summary>
    protected virtual void Prepare()
    {
    }
}
