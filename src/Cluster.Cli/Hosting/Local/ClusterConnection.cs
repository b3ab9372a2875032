// Enters: a folder of runs. Leaves: grains of the cluster that runs there. Does not know: what is asked of them.

using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A client of the cluster that <c>up</c> runs on this machine.</summary>
public sealed class ClusterConnection : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);
    private readonly IHost _host;

    private ClusterConnection(IHost host, ClusterState state) => (_host, State) = (host, state);

    /// <summary>The cluster as it was when the connection was opened.</summary>
    public ClusterState State { get; }

    /// <summary>Its grains.</summary>
    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    /// <summary>Connects to the cluster of a folder of runs.</summary>
    /// <param name="runs">The folder.</param>
    /// <param name="command">How the user calls this program, for the remedy.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="UserErrorException">No cluster runs there, or none of its silos answers.</exception>
    public static Task<ClusterConnection> OpenAsync(string runs, string command, CancellationToken cancellation = default) =>
        OpenAsync(new ClusterFolder(runs).Running(command), cancellation);

    /// <summary>Connects to a cluster.</summary>
    /// <exception cref="UserErrorException">None of its silos answers.</exception>
    public static async Task<ClusterConnection> OpenAsync(ClusterState state, CancellationToken cancellation = default)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(ClusterContract.Client(state));
        builder.AddStores();
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
            return new ClusterConnection(host, state);
        }
        catch (Exception error)
        {
            host.Dispose();
            if (!limit.IsCancellationRequested || cancellation.IsCancellationRequested)
                throw;
            throw new UserErrorException(
                $"No silo of the cluster in {state.RunsPath} answers.", "Look at `cluster silo list` and add one with `cluster silo add`.", error);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
