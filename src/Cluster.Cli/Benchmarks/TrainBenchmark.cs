// Measures training as it is done: silo, coordinator, replicas, exchange, durable commits; only the tokens are synthetic.
using System.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Model.Runtime;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a training benchmark found.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of activations.</param>
/// <param name="Replicas">Of one thread each unless the recipe says otherwise.</param>
/// <param name="Steps">Measured, after as many to warm up as a tenth of them.</param>
/// <param name="TokensPerStep">Of all lanes.</param>
/// <param name="TokensPerSecond">Over the measured steps.</param>
/// <param name="StepMilliseconds">Mean.</param>
/// <param name="PeakGflops">Of matrix products on all replicas at once.</param>
/// <param name="Mfu">Share of that peak, 0–1.</param>
/// <param name="CoordinationShare">Share of the time from READY to COMMIT at the replica that waits least, 0–1: what the coordinator adds.</param>
/// <param name="ComputeShare">Share of the time in lane gradients and optimizer steps, mean over the replicas, 0–1; the rest is the exchange and waiting.</param>
/// <param name="MemoryBytesStart">Resident memory after the warm-up.</param>
/// <param name="MemoryBytesEnd">Resident memory at the end.</param>
public sealed record TrainBenchmarkResult(
    string Shape, string Precision, int Replicas, long Steps, long TokensPerStep, double TokensPerSecond, double StepMilliseconds, double PeakGflops, double Mfu,
    double CoordinationShare, double ComputeShare, long MemoryBytesStart, long MemoryBytesEnd);

/// <summary>Trains on synthetic tokens and times it.</summary>
internal static class TrainBenchmark
{
    public static async Task<TrainBenchmarkResult> RunAsync(string shape, Precision precision, int replicas, long steps, CancellationToken cancellation)
    {
        precision = precision == Precision.Auto ? MachineCalibration.BestPrecision : precision;
        var recipe = BenchmarkShape.Get(shape);
        recipe = recipe.Resolved(recipe.Model.Vocabulary, 0, precision);
        var peak = MachineCalibration.MeasurePeakFlops(precision, replicas, recipe.Training.ThreadsPerReplica);
        var folder = new RunFolder(Directory.CreateTempSubdirectory("cluster-bench").FullName);
        try
        {
            WriteShards(folder, recipe);
            await using var cluster = await EmbeddedCluster.StartAsync(null, cancellation);
            var key = TrainingJob.KeyOf(folder.Name, StageNames.Pretraining);
            var keys = Enumerable.Range(0, replicas).Select(i => new ReplicaKey(key, EmbeddedCluster.SiloName, i).ToString()).ToArray();
            var warmUp = Math.Max(3, steps / 10);
            var job = new TrainingJob(folder.Name, StageNames.Pretraining, RecipeJson.Canonical(recipe), folder.Path, keys, 0, warmUp, null, [1]);
            var coordinator = cluster.Grains.GetGrain<IAllReduceGrain>(key);
            await cluster.Grains.GetGrain<IShardGrain>(key).OpenAsync(job);
            await coordinator.StartAsync(job);
            await ReachAsync(warmUp);
            var before = await StatesAsync(warmUp);
            var memory = Environment.WorkingSet;
            var start = Stopwatch.GetTimestamp();
            await coordinator.ContinueAsync(warmUp + steps);
            await ReachAsync(warmUp + steps);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var after = await StatesAsync(warmUp + steps);
            var memoryEnd = Environment.WorkingSet;
            await coordinator.EndAsync();
            var perStep = new PretrainingSchedule(recipe)[0].Tokens;
            var rate = perStep * steps / seconds;
            var coordination = after.Zip(before, (a, b) => a.CoordinationSeconds - b.CoordinationSeconds).Min() / seconds;
            var compute = after.Zip(before, (a, b) => a.ComputeSeconds - b.ComputeSeconds).Average() / seconds;
            return new TrainBenchmarkResult(shape, precision.ToString().ToLowerInvariant(), replicas, steps, perStep, Math.Round(rate, 1), Math.Round(seconds / steps * 1000, 2),
                Math.Round(peak / 1e9, 1), Math.Round(rate * ModelFlops.TrainingPerToken(recipe.Model, recipe.Model.Context) / peak, 4), Math.Round(coordination, 5), Math.Round(compute, 4), memory, memoryEnd);

            async Task ReachAsync(long step)
            {
                while (true)
                {
                    var progress = await coordinator.WaitForProgressAsync(step - 1);
                    cancellation.ThrowIfCancellationRequested();
                    if (progress.Stopped is { } reason)
                        throw new InvalidOperationException(reason);
                    if (progress.Finished && progress.Steps >= step)
                        return;
                }
            }

            Task<ReplicaState[]> StatesAsync(long step) => Task.WhenAll(keys.Select(k => cluster.Grains.GetGrain<IReplicaGrain>(k).GetStateAsync(step)));
        }
        finally
        {
            Directory.Delete(folder.Path, recursive: true);
        }
    }

    private static void WriteShards(RunFolder folder, Recipe recipe)
    {
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 0);
        int[] ids = [.. Enumerable.Range(0, 300_000).Select(i => (int)random.Below((ulong)i, (ulong)recipe.Model.Vocabulary))];
        foreach (var dataset in (string[])[Datasets.Train, Datasets.TrainBest, Datasets.Validation])
        {
            using var writer = new ShardWriter(folder.Dataset(dataset), ShardLayout.Stream, recipe.Model.Vocabulary, "synthetic");
            writer.Append(ids);
            writer.Complete();
        }
    }
}
