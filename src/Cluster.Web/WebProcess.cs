using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Web.Api;
using Cluster.Web.Api.OpenAi;
using Cluster.Web.Pages;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Cluster.Web;

/// <summary>
/// The live page, its API, the models' API, health and metrics: as a process of its own, which is a client of the cluster, or inside a process that hosts
/// a silo. Configuration: <c>Cluster:WebPort</c>, <c>Cluster:WebAddress</c>, and the cluster: with a store <c>Orleans:ClusterId</c>, <c>Orleans:ServiceId</c> and the
/// providers as <see cref="StoreConnections"/> says, without one <c>Cluster:PrimaryGatewayPort</c>, the gateway of a silo on this machine.
/// Keys and limits of the models' API: <see cref="ApiOptions"/>.
/// </summary>
public static class WebProcess
{
    /// <summary>Name of the process in its <see cref="ReadyLine"/>.</summary>
    public const string Name = "web";

    /// <summary>
    /// Runs until the process is told to end. A cluster that is not there yet is waited for; a <see cref="ReadyLine"/> says that it is.
    /// </summary>
    /// <returns>One of <see cref="ExitCodes"/>; anything but <see cref="ExitCodes.Done"/> is explained on standard error.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            await using var app = Create(args, out var address);
            var stopping = app.Lifetime.ApplicationStopping;
            var page = address.AbsoluteUri;
            await Console.Out.WriteLineAsync($"Training is live at {page} as soon as a silo runs.");
            app.Lifetime.ApplicationStarted.Register(() => Console.Out.WriteLine(ReadyLine.Of(Name, page)));
            // Beside the start, for probes are to be answered meanwhile.
            var stores = WatchStoresAsync(app);
            try
            {
                await app.RunAsync();
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                // Told to end while it still waited for a silo.
            }

            return await stores;
        }
        catch (UserErrorException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return ExitCodes.Mistake;
        }
    }

    /// <summary>Ends the process where no store answers for long; says so where the store does not know this process's cluster.</summary>
    private static async Task<int> WatchStoresAsync(WebApplication app)
    {
        try
        {
            await Task.Run(() => app.Services.WaitForStoresAsync(Console.Error.WriteLine, app.Lifetime.ApplicationStopping));
            if (await app.Services.OtherClustersAsync() is { Count: > 0 } others)
            {
                await Console.Error.WriteLineAsync(
                    $"The store knows no cluster {app.Configuration[StoreConnections.ClusterId]}, but {string.Join(", ", others)}. Waiting for a silo of it; look at {StoreConnections.ClusterId} if none is to come.");
            }
        }
        catch (UserErrorException error)
        {
            await Console.Error.WriteLineAsync(error.Message);
            app.Lifetime.StopApplication();
            return ExitCodes.StoreUnreachable;
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }

        return ExitCodes.Done;
    }

    /// <summary>Builds the process of its own without starting it.</summary>
    /// <param name="args">Configuration, as <c>--Cluster:WebPort=8081</c>.</param>
    /// <param name="address">Where it will listen.</param>
    /// <exception cref="UserErrorException">A port is none, or occupied though asked for.</exception>
    public static WebApplication Create(string[] args, out Uri address)
    {
        var builder = WebApplication.CreateBuilder(args);
        var listener = WebAddress.Take(WebAddress.Asked(builder.Configuration), on: WebAddress.Interface(builder.Configuration));
        address = listener.Address;
        listener.Serve(builder.WebHost);
        builder.AddStores();
        StoreConnections.CheckNames(builder.Configuration);
        builder.UseOrleansClient(client =>
        {
            if (!StoreConnections.HasStore(builder.Configuration))
                client.UseLocalhostClustering(Gateway(builder.Configuration));
            // Silos come and go while a page is open.
            client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
            client.UseConnectionRetryFilter(async (_, cancellation) =>
            {
                await Task.Delay(TimeSpan.FromSeconds(1), cancellation);
                return true;
            });
        });
        // The client starts when the first silo answers; page and probes must not wait for that.
        builder.Services.Configure<HostOptions>(options => options.ServicesStartConcurrently = true);
        // Every second without a silo is a failed connection; /health says so to whoever asks.
        builder.Logging.AddFilter("Orleans.Runtime.Messaging", LogLevel.Error).AddFilter("Orleans.Messaging.GatewayManager", LogLevel.Error);
        // What ends the start is thrown to the caller, who says it better; being told to end while waiting is no failure.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        Configure(builder);
        var app = builder.Build();
        Map(app);
        return app;
    }

    private static int Gateway(IConfiguration configuration)
    {
        const string key = "Cluster:PrimaryGatewayPort";
        return configuration[key] is { } text ? WebAddress.Port(key, text) : 30_000;
    }

    /// <summary>Adds what the endpoints need; a silo or a client of one is the caller's to add.</summary>
    public static void Configure(IHostApplicationBuilder builder)
    {
        builder.AddServiceDefaults("cluster-web");
        builder.Services.AddHealthChecks().AddCheck<ClusterCheck>("cluster", tags: [ServiceDefaultsExtensions.Ready]);
        builder.Services.AddProblemDetails();
        var api = ApiOptions.Of(builder.Configuration);
        builder.Services.AddSingleton(api);
        RateLimits.Add(builder.Services, api);
        builder.Services.AddSingleton<VllmMetricsPage>();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(services => new InferenceClient(services.GetRequiredService<IGrainFactory>(), time: services.GetRequiredService<TimeProvider>()));
        // Only names of this machine: a foreign site whose name was pointed at loopback cannot read what is served here.
        builder.Configuration["AllowedHosts"] ??= "localhost;127.0.0.1;[::1]";
        builder.Logging
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None)
            .AddFilter("Orleans", LogLevel.Warning)
            .AddFilter("Microsoft.Orleans", LogLevel.Warning);
    }

    /// <summary>Adds the endpoints: page, API, health, metrics.</summary>
    public static void Map(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseRateLimiter();
        if (app.Services.GetRequiredService<ApiOptions>().VllmMetricNames)
            app.Services.GetRequiredService<VllmMetricsPage>().Use(app);
        PageEndpoints.Map(app);
        RunEndpoints.Map(app);
        OpenAiEndpoints.Map(app);
        app.MapServiceDefaults();
    }
}
