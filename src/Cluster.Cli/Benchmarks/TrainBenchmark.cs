// Measures training as it is done: silo, coordinator, replicas, exchange, durable commits; only the tokens are synthetic.
using System.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Planning;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Model.Runtime;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a training benchmark found.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of activations.</param>
/// <param name="Replicas">Replicas.</param>
/// <param name="Threads">Of each.</param>
/// <param name="Processes">Whether each is a process of its own.</param>
/// <param name="Steps">Measured, after as many to warm up as a tenth of them.</param>
/// <param name="TokensPerStep">Of all lanes.</param>
/// <param name="TokensPerSecond">Over the measured steps.</param>
/// <param name="StepMilliseconds">Mean.</param>
/// <param name="PeakGflops">Of matrix products on all replicas at once.</param>
/// <param name="Mfu">Share of that peak, 0–1.</param>
/// <param name="CoordinationShare">Share of the time from READY to COMMIT at the replica that waits least, 0–1: what the coordinator adds.</param>
/// <param name="ComputeShare">Share of the time in lane gradients and optimizer steps, mean over the replicas, 0–1; the rest is the exchange and waiting.</param>
/// <param name="WaitShare">Share of the time in which training waited for tokens or for its state to be copied for the one checkpoint that is written halfway, mean over the replicas, 0–1.</param>
/// <param name="MemoryBytesStart">Resident memory of this process after the warm-up.</param>
/// <param name="MemoryBytesEnd">Resident memory of this process at the end.</param>
/// <param name="ReplicaBytes">Weights, moments, gradients and activations of the largest replica, counted as they were allocated.</param>
/// <param name="PlannedBytes">What <c>cluster plan</c> says of a replica.</param>
/// <param name="PeakResidentBytes">The most that a process with replicas ever had in memory.</param>
/// <param name="ProcessorMilliseconds">Of all processes with replicas, in a step.</param>
/// <param name="WireBytesPerStep">Gradient bytes read of peers by all replicas.</param>
/// <param name="EagerTokensPerSecond">The same steps afterwards in the eager library's own operations with autograd, in one process with as many threads in all; null unless asked for.</param>
/// <param name="TimesEager">How many times as fast as that; null unless asked for.</param>
/// <param name="ShardedStepMilliseconds">Mean of the same steps afterwards with a sharded optimizer; null unless asked for, like the next three.</param>
/// <param name="ShardedMomentBytes">As above.</param>
/// <param name="ShardedGradientBytes">As above.</param>
/// <param name="ShardedProcessBytes">As above.</param>
public sealed record TrainBenchmarkResult(
    string Shape, string Precision, int Replicas, int Threads, bool Processes, long Steps, long TokensPerStep, double TokensPerSecond, double StepMilliseconds, double PeakGflops, double Mfu,
    double CoordinationShare, double ComputeShare, double WaitShare, long MemoryBytesStart, long MemoryBytesEnd, long ReplicaBytes, long PlannedBytes, long PeakResidentBytes,
    double ProcessorMilliseconds, long WireBytesPerStep,
    double? EagerTokensPerSecond = null, double? TimesEager = null);

/// <summary>Trains on synthetic tokens and times it.</summary>
internal static class TrainBenchmark
{
    /// <param name="shape">S or M.</param>
    /// <param name="precision">Of activations.</param>
    /// <param name="replicas">How many.</param>
    /// <param name="threads">Of each.</param>
    /// <param name="processes">Whether each is a process of its own.</param>
    /// <param name="steps">To be measured.</param>
    /// <param name="besideEager">Whether the eager library is measured too.</param>
    /// <param name="set">Fields of the recipe that differ from the shape's.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<TrainBenchmarkResult> RunAsync(
        string shape, Precision precision, int replicas, int threads, bool processes, long steps, bool besideEager, IReadOnlyList<string> set, CancellationToken cancellation)
    {
        precision = precision == Precision.Auto ? MachineCalibration.BestPrecision : precision;
        var result = await OwnAsync(shape, precision, replicas, threads, processes, steps, set, cancellation);
        if (!besideEager)
            return result;
        var eager = EagerBenchmark.Run(BenchmarkShape.Get(shape), precision, replicas * threads, steps, cancellation);
        return result with { EagerTokensPerSecond = Math.Round(eager, 1), TimesEager = Math.Round(result.TokensPerSecond / eager, 2) };
    }

    private static async Task<TrainBenchmarkResult> OwnAsync(
        string shape, Precision precision, int replicas, int threads, bool processes, long steps, IReadOnlyList<string> set, CancellationToken cancellation)
    {
        var recipe = BenchmarkShape.Get(shape);
        recipe = RecipeJson.With(recipe with { Training = recipe.Training with { ThreadsPerReplica = threads } }, set);
        recipe = recipe.Resolved(recipe.Model.Vocabulary, 0, precision);
        var peak = MachineCalibration.MeasurePeakFlops(precision, replicas, recipe.Training.ThreadsPerReplica);
        var folder = new RunFolder(Directory.CreateTempSubdirectory("cluster-bench").FullName);
        try
        {
            WriteShards(folder, recipe);
            await using var cluster = processes ? await Silos.ProcessesAsync(folder.Path, replicas, cancellation) : await Silos.EmbeddedAsync(cancellation);
            var key = TrainingJob.KeyOf(folder.Name, StageNames.Pretraining);
            var keys = Enumerable.Range(0, replicas).Select(i => new ReplicaKey(key, cluster.Names[i % cluster.Names.Count], i / cluster.Names.Count).ToString()).ToArray();
            var warmUp = Math.Max(3, steps / 10);
            var job = new TrainingJob(folder.Name, StageNames.Pretraining, RecipeJson.Canonical(recipe), folder.Path, keys, 0, warmUp, null, [1]);
            var coordinator = cluster.Grains.GetGrain<IAllReduceGrain>(key);
            await cluster.Grains.GetGrain<IShardGrain>(key).OpenAsync(job);
            await coordinator.StartAsync(job);
            await ReachAsync(warmUp);
            var before = await StatesAsync(warmUp);
            var memory = Environment.WorkingSet;
            var busy = cluster.Processes.Sum(process => process.Read().Busy);
            var start = Stopwatch.GetTimestamp();
            var half = warmUp + steps / 2;
            await coordinator.ContinueAsync(half);
            await ReachAsync(half);
            var checkpoints = cluster.Grains.GetGrain<ICheckpointGrain>(key);
            var checkpointFolder = new CheckpointFolder(folder.Path, StageNames.Pretraining, 1, RecipeJson.Canonical(recipe));
            await checkpoints.OpenAsync(checkpointFolder);
            await checkpoints.SaveAsync(keys[0], new CheckpointRequest(checkpointFolder, half, 0, 0, null, 0));
            await coordinator.ContinueAsync(warmUp + steps);
            await ReachAsync(warmUp + steps);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var after = await StatesAsync(warmUp + steps);
            var bytes = await Task.WhenAll(keys.Select(k => cluster.Grains.GetGrain<IReplicaGrain>(k).GetBytesAsync()));
            var memoryEnd = Environment.WorkingSet;
            var used = cluster.Processes.Select(process => process.Read()).ToArray();
            while ((await checkpoints.WaitAsync()).Pending)
                cancellation.ThrowIfCancellationRequested();
            await coordinator.EndAsync();
            var perStep = new PretrainingSchedule(recipe)[0].Tokens;
            var rate = perStep * steps / seconds;
            var coordination = after.Zip(before, (a, b) => a.CoordinationSeconds - b.CoordinationSeconds).Min() / seconds;
            var compute = after.Zip(before, (a, b) => a.ComputeSeconds - b.ComputeSeconds).Average() / seconds;
            var waiting = after.Zip(before, (a, b) => a.WaitSeconds - b.WaitSeconds).Average() / seconds;
            var t = recipe.Training;
            var planned = ReplicaMemory.Of(new ParameterLayout(recipe.Model).TotalCount, replicas, (t.Lanes - 1) / replicas + 1, new PretrainingSchedule(recipe).MicroBatchTokens, recipe.Model,
                new MemoryOptions(t.Precision, t.ShardedOptimizer, t.ActivationCheckpointing, t.ReductionPrecision));
            return new TrainBenchmarkResult(shape, precision.ToString().ToLowerInvariant(), replicas, threads, processes, steps, perStep, Math.Round(rate, 1), Math.Round(seconds / steps * 1000, 2),
                Math.Round(peak / 1e9, 1), Math.Round(rate * ModelFlops.TrainingPerToken(recipe.Model, recipe.Model.Context) / peak, 4), Math.Round(coordination, 5), Math.Round(compute, 4), Math.Round(waiting, 5), memory, memoryEnd,
                bytes.Max(replica => replica.Total), (long)planned.Total, used.Max(process => process.Peak), Math.Round((used.Sum(process => process.Busy) - busy) / steps, 1),
                after.Zip(before, (a, b) => a.BytesRead - b.BytesRead).Sum() / steps);

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

    /// <summary>Where the replicas are.</summary>
    private sealed class Silos : IAsyncDisposable
    {
        private readonly IAsyncDisposable[] _parts;

        private Silos(IGrainFactory grains, IReadOnlyList<string> names, IEnumerable<int> processes, params IAsyncDisposable[] parts) =>
            (Grains, Names, Processes, _parts) = (grains, names, [.. processes.Select(pid => new Used(pid))], parts);

        public IGrainFactory Grains { get; }

        public IReadOnlyList<string> Names { get; }

        /// <summary>Those that replicas are in.</summary>
        public IReadOnlyList<Used> Processes { get; }

        public static async Task<Silos> EmbeddedAsync(CancellationToken cancellation)
        {
            var cluster = await EmbeddedCluster.StartAsync(null, cancellation);
            return new Silos(cluster.Grains, [EmbeddedCluster.SiloName], [Environment.ProcessId], cluster);
        }

        public static async Task<Silos> ProcessesAsync(string runs, int silos, CancellationToken cancellation)
        {
            var cluster = await LocalCluster.StartAsync(new LocalClusterOptions { Runs = runs, Silos = silos }, (_, _) => { }, cancellation);
            var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
            return new Silos(connection.Grains, [.. cluster.State.Silos.Select(silo => silo.Name)], cluster.State.Silos.Select(silo => silo.Process.Pid), connection, cluster);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var part in _parts)
                await part.DisposeAsync();
        }
    }

    /// <summary>What a process has used.</summary>
    private sealed record Used(int Pid)
    {
        /// <summary>Milliseconds of processor time, and the most bytes that were resident.</summary>
        public (double Busy, long Peak) Read()
        {
            using var process = Process.GetProcessById(Pid);
            return (process.TotalProcessorTime.TotalMilliseconds, process.PeakWorkingSet64);
        }
    }

    /// <summary>Writes synthetic tokens.</summary>
    internal static void WriteShards(RunFolder folder, Recipe recipe)
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
