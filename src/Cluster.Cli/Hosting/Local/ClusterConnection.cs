// Enters: where a cluster is. Leaves: its grains. Does not know: what is asked of them.

using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A client of a cluster.</summary>
public sealed class ClusterConnection : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private readonly IHost _host;

    private ClusterConnection(IHost host) => _host = host;

    /// <summary>Its grains.</summary>
    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    /// <summary>Connects to a cluster that <c>up</c> runs on this machine.</summary>
    /// <exception cref="UserErrorException">None of its silos answers.</exception>
    public static Task<ClusterConnection> OpenAsync(ClusterState state, CancellationToken cancellation = default) =>
        OpenAsync(ClusterAddress.Of(state), cancellation);

    /// <summary>Connects to a cluster.</summary>
    /// <exception cref="UserErrorException">None of its silos answers.</exception>
    public static async Task<ClusterConnection> OpenAsync(ClusterAddress address, CancellationToken cancellation = default)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(address.Configuration);
        builder.AddStores();
        StoreConnections.CheckNames(builder.Configuration);
        builder.UseOrleansClient(client =>
        {
            client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
            client.UseConnectionRetryFilter(async (_, giveUp) =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), giveUp);
                return true;
            });
        });
        var host = builder.Build();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_patience);
        try
        {
            await host.Services.CheckStoresAsync();
            await host.StartAsync(limit.Token);
            return new ClusterConnection(host);
        }
        catch (Exception error)
        {
            var gaveUp = limit.IsCancellationRequested && !cancellation.IsCancellationRequested;
            var others = gaveUp ? await host.Services.OtherClustersAsync() : [];
            host.Dispose();
            if (!gaveUp)
                throw;
            throw new UserErrorException(
                $"No silo of {address.Name} answers.", others.Count == 0 ? address.Remedy : $"The store knows {string.Join(", ", others)}: look at {StoreConnections.ClusterId}.", error);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
