// Enters: how many replicas, how long their steps take, how often they fail. Leaves: what the coordinator cost and what was lost.
// Does not know: how it is shown. Coordinator, schedule, shards, silo processes and store are the real ones; replicas compute nothing.
using System.Diagnostics;
using System.Globalization;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;

namespace Cluster.Cli.Runs;

/// <summary>What is simulated. Times in seconds.</summary>
internal sealed record SimulationRequest
{
    /// <summary>Numbers of replicas, one run after the other.</summary>
    public required IReadOnlyList<int> Replicas { get; init; }

    /// <summary>Silo processes; the replicas are divided evenly.</summary>
    public required int Silos { get; init; }

    /// <summary>Of a step on replicas that are alike and do not fail.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Steps to measure, after a few to warm up.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean time between failures of one replica; 0 for none.</summary>
    public required double MeanSecondsBetweenFailures { get; init; }

    /// <summary>A lane takes up to this share longer; 0 has everyone ready at once.</summary>
    public required double Jitter { get; init; }

    /// <summary>From a failure to the offer of the next life.</summary>
    public required double RestartSeconds { get; init; }

    /// <summary>That a newcomer takes to copy the state.</summary>
    public required double CopySeconds { get; init; }

    /// <summary>Lanes of each replica: a loss costs its neighbours at most one of them more.</summary>
    public required int LanesPerReplica { get; init; }

    /// <summary>Of hashes, jitter and failures.</summary>
    public required ulong Seed { get; init; }
}

/// <summary>What a run of simulated replicas came to.</summary>
/// <param name="Replicas">Asked for.</param>
/// <param name="Steps">Measured.</param>
/// <param name="CoordinatorMilliseconds">
/// From the last READY that a replica says to the last COMMIT that a replica hears of, over the measured steps: both ways of the messages, the
/// decision and the durable write.
/// </param>
/// <param name="StepMilliseconds">Mean time of a measured step, whatever happened in it.</param>
/// <param name="Goodput">Share of the time that the steps alone would have taken on replicas that are alike and do not fail, 0–1.</param>
/// <param name="Failures">Of replicas, while measured.</param>
/// <param name="Recovery">Seconds from a failure to the first COMMIT after it.</param>
/// <param name="Joined">Replicas taken in while it ran.</param>
/// <param name="LostLanes">Lanes computed by others than were to.</param>
/// <param name="MessagesPerStep">That silos sent to other processes, answers included.</param>
/// <param name="BytesPerStep">Of those messages.</param>
/// <param name="SilosProcessorMilliseconds">Processor time of all silos for a step, simulated replicas' part included.</param>
/// <param name="StoreProcessorMilliseconds">Processor time of the store for a step.</param>
/// <param name="Wrong">Replicas that met other bits than (seed, step) give; 0.</param>
/// <param name="Load">Mean number of processes that wanted to run on this machine in the last minute.</param>
internal sealed record SimulationRow(
    int Replicas, long Steps, Distribution CoordinatorMilliseconds, double StepMilliseconds, double Goodput, int Failures, Distribution Recovery, long Joined, long LostLanes,
    double MessagesPerStep, double BytesPerStep, double SilosProcessorMilliseconds, double StoreProcessorMilliseconds, long Wrong, double Load);

/// <summary>Of some figures.</summary>
/// <param name="Count">How many.</param>
/// <param name="P50">Median.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Longest">The largest.</param>
internal sealed record Distribution(int Count, double P50, double P99, double Longest)
{
    /// <summary>Of figures in any order; zeros where there are none.</summary>
    public static Distribution Of(IEnumerable<double> figures)
    {
        var sorted = figures.Order().ToArray();
        return sorted.Length == 0 ? new Distribution(0, 0, 0, 0) : new Distribution(sorted.Length, At(0.5), At(0.99), Math.Round(sorted[^1], 3));

        double At(double share) => Math.Round(sorted[(int)Math.Ceiling(share * sorted.Length) - 1], 3);
    }
}

/// <summary>All runs of a simulation.</summary>
/// <param name="Silos">Silo processes.</param>
/// <param name="StepSeconds">As asked for.</param>
/// <param name="MeanSecondsBetweenFailures">Of one replica.</param>
/// <param name="LanesPerReplica">As asked for.</param>
/// <param name="Seed">As asked for.</param>
/// <param name="Runs">In the order asked for.</param>
internal sealed record SimulationResult(
    int Silos, double StepSeconds, double MeanSecondsBetweenFailures, int LanesPerReplica, ulong Seed, IReadOnlyList<SimulationRow> Runs);

/// <summary>Runs the real control plane with replicas that compute nothing.</summary>
/// <param name="folder">For runs and logs.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ClusterSimulation(string folder, Action<string> say)
{
    private const int Context = 8, Vocabulary = 272, Width = 32;

    /// <summary>Runs it.</summary>
    public async Task<SimulationResult> RunAsync(SimulationRequest request, CancellationToken cancellation)
    {
        await using var cluster = await LocalCluster.StartAsync(new LocalClusterOptions { Runs = folder, Silos = request.Silos }, (_, _) => { }, cancellation);
        await using var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
        var rows = new List<SimulationRow>();
        foreach (var replicas in request.Replicas)
        {
            say(string.Create(CultureInfo.InvariantCulture, $"{replicas} replicas on {request.Silos} silos, {request.Steps} steps of {request.StepSeconds} s"));
            rows.Add(await RunAsync(request, replicas, cluster, connection.Grains, cancellation));
        }

        return new SimulationResult(request.Silos, request.StepSeconds, request.MeanSecondsBetweenFailures, request.LanesPerReplica, request.Seed, rows);
    }

    private async Task<SimulationRow> RunAsync(
        SimulationRequest request, int replicas, LocalCluster cluster, IGrainFactory grains, CancellationToken cancellation)
    {
        var run = new RunFolder(Path.Combine(folder, $"simulate-{replicas}"));
        long warmUp = Math.Max(3, request.Steps / 10), most = warmUp + 20 + request.Steps;
        var recipe = RecipeOf(request, replicas, (int)most);
        WriteShards(run, recipe);
        var job = new TrainingJob(
            run.Name, StageNames.Pretraining, RecipeJson.Canonical(recipe), run.Path, [], 0, warmUp, null, [1], replicas / request.Silos,
            new SimulatedWork(request.Seed, request.StepSeconds / request.LanesPerReplica, request.Jitter, request.MeanSecondsBetweenFailures, request.RestartSeconds, request.CopySeconds));
        var coordinator = grains.GetGrain<IAllReduceGrain>(job.Key);
        var schedule = grains.GetGrain<IScheduleGrain>(job.Key);
        await schedule.OpenAsync(job);
        await grains.GetGrain<IShardGrain>(job.Key).OpenAsync(job);
        await coordinator.StartAsync(job);
        var progress = await ReachAsync(warmUp);
        // A silo that has just come up may not be known to the coordinator's: its replicas come a little later.
        for (var more = 0; more < 20 && progress.Members.Count < replicas; more++)
            progress = await ReachAsync(++warmUp);
        var before = await FiguresAsync();
        var storeBefore = StoreProcessorSeconds();
        var joinedBefore = progress.Joined;
        var last = warmUp + request.Steps;
        while (progress.Steps < last)
            progress = await ReachAsync((await schedule.GetHaltAsync(progress.Steps, last)).Steps);
        var after = await FiguresAsync();
        var store = StoreProcessorSeconds() - storeBefore;
        await coordinator.EndAsync();

        var failures = after.SelectMany(silo => silo.Failures).Order().ToArray();
        var steps = after.SelectMany(silo => silo.Steps).GroupBy(step => step.Step).OrderBy(step => step.Key).Select(step => new SimulatedStep(
            step.Key, step.Max(s => s.LastReady), step.Where(s => s.FirstCommit > 0).Min(s => s.FirstCommit), step.Max(s => s.LastCommit))).ToArray();
        var measured = steps.Where(step => step.Step >= warmUp && step.Step < last).ToArray();
        var start = steps.Last(step => step.Step < warmUp).LastCommit;
        var seconds = Seconds(start, measured[^1].LastCommit);
        var during = failures.Where(at => at > start && at < measured[^1].FirstCommit).ToArray();
        var decided = measured.Where(step => step.LastReady > 0 && step.LastCommit > 0);
        var count = last - warmUp;
        return new SimulationRow(
            replicas, count, Distribution.Of(decided.Select(step => 1_000 * Seconds(step.LastReady, step.LastCommit))), Math.Round(1_000 * seconds / count, 1),
            Math.Round(count * request.StepSeconds / seconds, 4), during.Length,
            Distribution.Of(during.Select(at => Seconds(at, measured.First(step => step.FirstCommit > at).FirstCommit))), progress.Joined - joinedBefore, progress.LostLanes,
            Math.Round(Rise(f => f.Messages) / count, 1), Math.Round(Rise(f => f.Bytes) / count), Math.Round(1_000 * Rise(f => f.ProcessorSeconds) / count, 2),
            Math.Round(1_000 * store / count, 2), after.Sum(f => f.Wrong), Load());

        double Rise(Func<SimulationFigures, double> of) => after.Sum(of) - before.Sum(of);

        Task<SimulationFigures[]> FiguresAsync() => Task.WhenAll(cluster.State.Silos.Select(silo =>
            grains.GetGrain<ISimulationGrain>(new ReplicaKey(job.Key, silo.Name, 0).ToString()).GetAsync()));

        double StoreProcessorSeconds()
        {
            using var process = Process.GetProcessById(cluster.State.Others.Single(other => other.Name == StoreProcess.Name).Process.Pid);
            return process.TotalProcessorTime.TotalSeconds;
        }

        async Task<CoordinatorProgress> ReachAsync(long step)
        {
            await coordinator.ContinueAsync(step);
            while (true)
            {
                var now = await coordinator.WaitForProgressAsync(step - 1);
                cancellation.ThrowIfCancellationRequested();
                if (now.Stopped is { } reason)
                    throw new UserErrorException($"The simulated run stops: {reason}", "Give a longer --mtbf, or more replicas.");
                if (now.Finished && now.Steps >= step)
                    return now;
            }
        }
    }

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;

    private static Recipe RecipeOf(SimulationRequest request, int replicas, int steps)
    {
        var recipe = new Recipe
        {
            Name = "simulate",
            Seed = request.Seed,
            Model = new ModelShape { Layers = 1, Width = Width, Heads = 1, Context = Context, Vocabulary = Vocabulary },
            Training = new TrainingRecipe
            {
                Steps = steps,
                Lanes = replicas * request.LanesPerReplica,
                MicroBatch = 1,
                EvaluateEvery = 0,
                CheckpointEvery = 0,
                EvaluationTokens = Context,
            },
            Phases = [new PhaseRecipe { Name = "bulk", Fraction = 1 }],
        };
        return recipe.Resolved(Vocabulary, 0, Precision.Fp32);
    }

    private static void WriteShards(RunFolder run, Recipe recipe)
    {
        var random = new CounterRandom(recipe.Seed, RandomPurpose.Synthetic, 0);
        int[] ids = [.. Enumerable.Range(0, 200_000).Select(i => (int)random.Below((ulong)i, Vocabulary))];
        foreach (var dataset in (string[])[Datasets.Train, Datasets.TrainBest, Datasets.Validation])
        {
            using var writer = new ShardWriter(run.Dataset(dataset), ShardLayout.Stream, Vocabulary, "synthetic");
            writer.Append(ids);
            writer.Complete();
        }
    }

    private static double Load() => File.Exists("/proc/loadavg")
        ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture)
        : 0;
}
