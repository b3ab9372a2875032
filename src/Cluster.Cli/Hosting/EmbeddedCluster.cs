using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Cluster.Silo.Stages;
using Cluster.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Cluster.Cli.Hosting;

/// <summary>A silo and the web in this process: membership and storage in memory, ports of their own, loopback only.</summary>
public sealed class EmbeddedCluster : IAsyncDisposable
{
    /// <summary>Name of the one silo.</summary>
    public const string SiloName = "local";

    private readonly WebApplication _app;

    private EmbeddedCluster(WebApplication app, Uri page) => (_app, Page) = (app, page);

    /// <summary>Where the page is.</summary>
    public Uri Page { get; }

    /// <summary>Its grains.</summary>
    public IGrainFactory Grains => _app.Services.GetRequiredService<IGrainFactory>();

    /// <summary>What it shows of the stages before training.</summary>
    public DataInstruments Data => _app.Services.GetRequiredService<DataInstruments>();

    /// <summary>Starts it; a silo takes a second or so.</summary>
    /// <param name="webPort">A port that the page must have; null takes 8080 or the next free one.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="Core.Errors.UserErrorException">The port that was asked for is occupied.</exception>
    public static async Task<EmbeddedCluster> StartAsync(int? webPort, CancellationToken cancellation = default)
    {
        var listener = WebAddress.Take(webPort);
        // No arguments: the command line is the caller's. Content comes from the assembly, so the working folder's files stay unread.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = [], ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Cluster:SiloName"] = SiloName,
            ["Orleans:Endpoints:SiloPort"] = $"{Ports.Free()}",
            ["Orleans:Endpoints:GatewayPort"] = $"{Ports.Free()}",
        });
        listener.Serve(builder.WebHost);
        SiloProcess.Configure(builder);
        WebProcess.Configure(builder);
        // What a person must know comes through the observer; the host's own talk would run into the progress bar.
        builder.Logging.ClearProviders();
        if (Environment.GetEnvironmentVariable("CLUSTER_TRACE") == "1")
            builder.Logging.AddConsole(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
        // Ctrl-C is the command's: it lets the step at hand end and saves a checkpoint.
        builder.Services.AddSingleton<Microsoft.Extensions.Hosting.IHostLifetime, NoLifetime>();
        var app = builder.Build();
        WebProcess.Map(app);
        await app.StartAsync(cancellation);
        return new EmbeddedCluster(app, listener.Address);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
