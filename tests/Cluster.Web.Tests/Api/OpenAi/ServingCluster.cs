using Cluster.Contracts.Inference;
using Cluster.Silo.Hosting;
using Cluster.Silo.Tests.Inference;
using Cluster.Web.Tests.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>
/// A silo and the web in this process behind a real Kestrel, and two models of random weights, one token per byte: tiny, with a context of
/// 256, and long, with one of 32,768.
/// </summary>
public class ServingCluster : IAsyncLifetime
{
    private WebApplication? _app;

    /// <summary>The runs' path.</summary>
    public string Runs { get; } = Directory.CreateTempSubdirectory("cluster").FullName;

    /// <summary>Port that clients of the cluster connect to.</summary>
    public int GatewayPort { get; } = LiveCluster.FreePort();

    /// <summary>Sends to it.</summary>
    public HttpClient Http { get; } = new();

    /// <summary>The cluster's grains.</summary>
    public IGrainFactory Grains => _app!.Services.GetRequiredService<IGrainFactory>();

    /// <summary>Settings beyond the ports.</summary>
    protected virtual Dictionary<string, string?> Settings => new() { ["Cluster:Inference:VllmMetricNames"] = "true" };

    public async Task InitializeAsync()
    {
        TinyRun.Write(Runs, "tiny");
        TinyRun.Write(Runs, "long", step: 2, context: 32_768);
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(Settings)
        {
            ["Cluster:RunsPath"] = Runs,
            ["Orleans:Endpoints:SiloPort"] = $"{LiveCluster.FreePort()}",
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

    /// <summary>Waits until a model's worker is as busy as that.</summary>
    public async Task UntilAsync(string model, Func<WorkerLoad, bool> holds)
    {
        while (true)
        {
            foreach (var worker in await Grains.GetGrain<IInferencePoolGrain>(model).GetWorkersAsync())
            {
                if (holds(await Grains.GetGrain<IInferenceWorkerGrain>(worker.Key).GetLoadAsync()))
                    return;
            }
        }
    }
}

/// <summary>One for the tests of figures alone, which count every request.</summary>
public sealed class CountedCluster : ServingCluster;

/// <summary>With keys, few requests and little room.</summary>
public sealed class StrictCluster : ServingCluster
{
    protected override Dictionary<string, string?> Settings => new()
    {
        ["Cluster:ApiKeys:0"] = "one",
        ["Cluster:ApiKeys:1"] = "two, three",
        ["Cluster:Api:RequestsPerMinute"] = "4",
        ["Cluster:Api:MaxBodyBytes"] = "2000",
        ["Cluster:Inference:MaxRunning"] = "1",
        ["Cluster:Inference:MaxWaiting"] = "1",
    };
}
