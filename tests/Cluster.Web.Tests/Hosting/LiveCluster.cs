using Cluster.Contracts.Runs;
using Cluster.Core.Runs;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans;

namespace Cluster.Web.Tests.Hosting;

/// <summary>A silo and the page in this process, as the demo has them, behind a real Kestrel on a free loopback port.</summary>
public sealed class LiveCluster : IAsyncLifetime
{
    private WebApplication? _app;

    /// <summary>Port that clients of the cluster connect to.</summary>
    public int GatewayPort { get; } = FreePort();

    /// <summary>Sends to the page's process.</summary>
    public HttpClient Http { get; } = new();

    /// <summary>The process's services.</summary>
    public IServiceProvider Services => _app!.Services;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
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
    }

    /// <summary>Reports a run as the training would.</summary>
    public async Task<IRunGrain> ReportAsync(string run, IReadOnlyList<string>? metrics = null, IReadOnlyList<string>? samples = null)
    {
        var grain = Services.GetRequiredService<IGrainFactory>().GetGrain<IRunGrain>(run);
        await grain.ReportAsync(new RunStatus(run, "running", StageNames.Pretraining, 0.25, "step 30 of 120", 3_100_000, 120));
        await grain.AppendMetricsAsync(metrics ?? []);
        foreach (var sample in samples ?? [])
            await grain.AppendSampleAsync(sample);
        return grain;
    }

    /// <summary>A loopback port that nobody listens on.</summary>
    public static int FreePort() => Ports.Free();
}

/// <summary>Tests that share one cluster; each reports runs of its own names.</summary>
[CollectionDefinition(Name)]
public sealed class LiveClusterCollection : ICollectionFixture<LiveCluster>
{
    public const string Name = "live cluster";
}
