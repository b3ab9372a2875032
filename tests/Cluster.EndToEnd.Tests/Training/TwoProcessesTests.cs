using System.Diagnostics;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>Silos in processes of their own, gradients over real sockets, one of them killed.</summary>
[Collection(ProcessCollection.Training)]
public sealed class TwoProcessesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster").FullName;
    private TestStore? _store;
    private IHost? _host;
    private Process? _other;

    public async Task InitializeAsync()
    {
        _store = await TestStore.GarnetAsync();
        _host = await _store.SiloAsync("first", "two-processes");

        var start = new ProcessStartInfo("dotnet", [typeof(SiloProcess).Assembly.Location]) { RedirectStandardOutput = true };
        foreach (var (key, value) in _store.Configuration("second", "two-processes"))
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
        await _store!.DisposeAsync();
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

    /// <summary>A driver that hung, was replaced and wakes up must not make the coordinator forget what the other has not heard.</summary>
    [Fact]
    public async Task WaitForProgress_LowerTurnThanSomebodyBefore_SupersededAndNothingForgotten()
    {
        await Start("turns", Recipe(seed: 7), ["first"], steps: 5, out var coordinator);
        CoordinatorProgress first;
        do
            first = await coordinator.WaitForProgressAsync(0, turn: 2);
        while (!first.Finished);

        var superseded = await coordinator.WaitForProgressAsync(5, turn: 1);
        var again = await coordinator.WaitForProgressAsync(2, turn: 2);

        Assert.False(first.Superseded);
        Assert.True(superseded.Superseded);
        Assert.Empty(superseded.Results);
        Assert.False(again.Superseded);
        Assert.Equal([3, 4, 5], again.Results.Select(result => result.Steps));
        await coordinator.EndAsync();
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
            CoordinatorProgress progress;
            try
            {
                progress = await coordinator.WaitForProgressAsync(steps);
            }
            catch (OrleansException)
            {
                // The directory of grains lost a silo with its process: callers ask again.
                continue;
            }

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
}
