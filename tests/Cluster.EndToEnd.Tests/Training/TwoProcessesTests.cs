using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>Silos in processes of their own, gradients over real sockets, one of them killed.</summary>
public sealed class TwoProcessesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster").FullName;
    private readonly int _siloPort = FreePort();
    private IHost? _host;
    private Process? _other;

    public async Task InitializeAsync()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(Settings("first", _siloPort));
        SiloProcess.Configure(builder);
        _host = builder.Build();
        await _host.StartAsync();

        var start = new ProcessStartInfo("dotnet", [typeof(SiloProcess).Assembly.Location]) { RedirectStandardOutput = true };
        foreach (var (key, value) in Settings("second", FreePort()))
            start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        _other = Process.Start(start)!;
        // The host says so when it has joined; a silo that fails ends its output instead.
        while (await _other.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains("Application started", StringComparison.Ordinal))
                break;
        }

        Assert.False(_other.HasExited, "the second silo did not start");
        _ = _other.StandardOutput.ReadToEndAsync();
        WriteShards();
    }

    public async Task DisposeAsync()
    {
        if (_other is { HasExited: false })
            _other.Kill();
        _other?.Dispose();
        await _host!.StopAsync();
        _host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Train_SecondProcessKilled_SameWeightsAsAlone()
    {
        var recipe = Recipe(seed: 7);
        var alone = await Train("alone", recipe, ["first"], steps: 40);
        var otherSeed = await Train("other-seed", Recipe(seed: 8), ["first"], steps: 40);
        var together = await Train("together", recipe, ["first", "first", "second"], steps: 40);

        var killed = Start("killed", recipe, ["first", "second", "second"], steps: 40, out var coordinator);
        await killed;
        var before = await coordinator.WaitForProgressAsync(9);
        Assert.Null(before.Stopped);
        _other!.Kill(); // SIGKILL: no word of farewell
        var progress = await Finish(coordinator, 40);
        var survived = await State("killed", "first");

        Assert.Equal(alone.WeightsSha256, together.WeightsSha256);
        Assert.Equal(alone.WeightsSha256, survived.WeightsSha256);
        Assert.NotEqual(alone.WeightsSha256, otherSeed.WeightsSha256);
        Assert.Single(progress.Members);
        Assert.True(progress.Generation >= 3, $"two replicas died, but the generation is {progress.Generation}");
    }

    private async Task<ReplicaState> Train(string run, Recipe recipe, string[] silos, long steps)
    {
        await Start(run, recipe, silos, steps, out var coordinator);
        await Finish(coordinator, steps);
        return await State(run, silos[0]);
    }

    private Task Start(string run, Recipe recipe, string[] silos, long steps, out IAllReduceGrain coordinator)
    {
        var key = TrainingJob.KeyOf(run, StageNames.Pretraining);
        var keys = silos.Select((silo, slot) => new ReplicaKey(key, silo, slot).ToString()).ToArray();
        var job = new TrainingJob(run, StageNames.Pretraining, RecipeJson.Canonical(recipe), _folder, keys, 0, steps, null, [1, 2, 3]);
        var reducing = coordinator = Grains.GetGrain<IAllReduceGrain>(key);
        return Begin();

        async Task Begin()
        {
            await Grains.GetGrain<IShardGrain>(key).OpenAsync(job);
            await reducing.StartAsync(job);
        }
    }

    private static async Task<CoordinatorProgress> Finish(IAllReduceGrain coordinator, long steps)
    {
        while (true)
        {
            var progress = await coordinator.WaitForProgressAsync(steps);
            Assert.Null(progress.Stopped);
            if (progress.Finished)
                return progress;
        }
    }

    private Task<ReplicaState> State(string run, string silo) => Grains.GetGrain<IReplicaGrain>(new ReplicaKey(TrainingJob.KeyOf(run, StageNames.Pretraining), silo, 0).ToString()).GetStateAsync(40);

    private IGrainFactory Grains => _host!.Services.GetRequiredService<IGrainFactory>();

    private static Recipe Recipe(ulong seed) => new Recipe
    {
        Seed = seed,
        Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 32, Vocabulary = 512 },
        Training = new TrainingRecipe { Steps = 40, Lanes = 6, MicroBatch = 2 },
    }.Resolved(512, 0, Precision.Fp32);

    private void WriteShards()
    {
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 0);
        foreach (var dataset in new[] { Datasets.Train, Datasets.TrainBest, Datasets.Validation })
        {
            using var writer = new ShardWriter(new RunFolder(_folder).Dataset(dataset), ShardLayout.Stream, 512, "none");
            writer.Append([.. Enumerable.Range(0, 20_000).Select(i => (int)random.Below((ulong)i, 512))]);
            writer.Complete();
        }
    }

    private Dictionary<string, string?> Settings(string name, int siloPort) => new(StringComparer.Ordinal)
    {
        ["Cluster:SiloName"] = name,
        ["Cluster:PrimarySiloPort"] = $"{_siloPort}",
        ["Orleans:Endpoints:SiloPort"] = $"{siloPort}",
        ["Orleans:Endpoints:GatewayPort"] = $"{FreePort()}",
    };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
