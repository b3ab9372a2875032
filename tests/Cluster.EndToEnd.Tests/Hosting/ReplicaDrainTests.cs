using Cluster.Contracts.Runs;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;

namespace Cluster.EndToEnd.Tests.Hosting;

public sealed class ReplicaDrainTests
{
    [Fact]
    public async Task Silo_Ends_DrainsWhileGrainsStillAnswer()
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Orleans:Endpoints:SiloPort"] = $"{Ports.Free()}",
            ["Orleans:Endpoints:GatewayPort"] = $"{Ports.Free()}",
        });
        SiloProcess.Configure(builder);
        builder.Services.AddSingleton<RunsAtTheEnd>().AddSingleton<IReplicaDrain>(services => services.GetRequiredService<RunsAtTheEnd>());
        using var host = builder.Build();
        await host.StartAsync();
        await host.Services.GetRequiredService<IGrainFactory>().GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).AddAsync("last");
        var drain = host.Services.GetRequiredService<RunsAtTheEnd>();
        Assert.Null(drain.Seen);

        await host.StopAsync();

        Assert.Equal(["last"], drain.Seen);
    }

    private sealed class RunsAtTheEnd(IGrainFactory grains) : IReplicaDrain
    {
        public IReadOnlyList<string>? Seen { get; private set; }

        public async Task DrainAsync(CancellationToken cancellation) => Seen = await grains.GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync();
    }
}
