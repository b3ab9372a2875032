// Enters: a port, and the services of a host that serves no HTTP. Leaves: that host's health and metrics on the port.
// Does not know: what is healthy.

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;

namespace Cluster.ServiceDefaults;

/// <summary>
/// Serves what <see cref="ServiceDefaultsExtensions.MapServiceDefaults"/> maps, for another host: from before that host starts until after
/// it has stopped, so that probes are answered while it joins and while it leaves.
/// </summary>
public static class ProbeServer
{
    /// <summary>Serves until it is disposed.</summary>
    /// <param name="socket">Where.</param>
    /// <param name="services">Of the other host, with <see cref="ServiceDefaultsExtensions.AddServiceDefaults"/>.</param>
    public static async Task<IAsyncDisposable> StartAsync(HttpSocket socket, IServiceProvider services)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        socket.Serve(builder.WebHost);
        builder.Services.AddRouting();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton(services.GetRequiredService<HealthCheckService>());
        builder.Services.AddSingleton(services.GetRequiredService<MeterProvider>());
        // Only names of this machine, as for the page: what is said on loopback is no foreign site's to read.
        var hosts = socket.Address.IsLoopback ? (string[])["localhost", "127.0.0.1", "[::1]"] : ["*"];
        builder.Services.Configure<HostFilteringOptions>(options => options.AllowedHosts = hosts);
        var app = builder.Build();
        app.UseHostFiltering();
        app.MapServiceDefaults();
        await app.StartAsync();
        return app;
    }
}
