// Enters: how long a lane is to take. Leaves: what a replica at half speed costs a run, with and without balancing, and whether it changes
// a bit. Does not know: how lanes move.

using System.Globalization;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Runs;
using Cluster.Contracts.Faults;
using Cluster.Contracts.Training;
using Cluster.Core.Faults;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Faults;
using Cluster.Silo.Stages;
using Cluster.Silo.Training;

namespace Cluster.Cli.Benchmarks;

/// <summary>A run in which the last silo's replica comes to take twice as long for a lane.</summary>
/// <param name="Silos">Silo processes with a replica each.</param>
/// <param name="Lanes">Of all.</param>
/// <param name="Balanced">Whether lanes may move.</param>
/// <param name="Equal">Whether the weights are those of an undisturbed run on one replica.</param>
/// <param name="StepMilliseconds">Median of a step before.</param>
/// <param name="SlowedStepMilliseconds">Mean of a step after, until lanes had moved included.</param>
/// <param name="Lost">Share of the pace that was lost after: 0.5 where a step takes twice as long.</param>
/// <param name="SettledLost">The same of the second half of those steps, by their median.</param>
/// <param name="Share">The replica's share of the run.</param>
/// <param name="LanesAtEnd">Of each replica; the slow one's last.</param>
/// <param name="StepsUntilMoved">From the first slow step to the first that was divided otherwise; null where none was.</param>
internal sealed record BalanceRow(
    int Silos, int Lanes, bool Balanced, bool Equal, double StepMilliseconds, double SlowedStepMilliseconds, double Lost, double SettledLost, double Share,
    IReadOnlyList<int> LanesAtEnd, long? StepsUntilMoved)
{
    /// <summary>Whether it is as promised: equal bits, and where lanes move a loss below the share.</summary>
    public bool Holds => Equal && (Balanced ? Lost < Share : StepsUntilMoved is null);
}

/// <summary>All of them.</summary>
/// <param name="LaneMilliseconds">That a lane takes at least on every replica; the slow one's takes twice that.</param>
/// <param name="Steps">Of a run, half of which are slow.</param>
/// <param name="Runs">In turn without and with balancing.</param>
internal sealed record BalanceBenchmarkResult(double LaneMilliseconds, int Steps, IReadOnlyList<BalanceRow> Runs)
{
    /// <summary>Whether all are as promised.</summary>
    public bool Holds => Runs.All(run => run.Holds);
}

/// <summary>
/// Trains a tiny model on silos whose replicas sleep after each lane, so that each is a machine of its own however few cores there are: the
/// sleep stands for the time of a lane on a device, and twice the sleep for a device at half speed.
/// </summary>
/// <param name="folder">Where the runs go.</param>
/// <param name="steps">Of a run; the second half is slow.</param>
/// <param name="laneSeconds">Sleep after a lane.</param>
/// <param name="say">Told what happens.</param>
internal sealed class BalanceBenchmark(string folder, int steps, double laneSeconds, Action<string> say)
{
    /// <summary>With fewer a replica cannot give a part of its work away that is worth it: they move whole.</summary>
    private const int LanesPerReplica = 4;

    public async Task<BalanceBenchmarkResult> RunAsync(IReadOnlyList<int> silos, int rounds, CancellationToken cancellation)
    {
        var corpus = ProofRecipe.WriteCorpus(folder);
        var rows = new List<BalanceRow>();
        foreach (var count in silos)
        {
            var request = Request($"undisturbed-{count}", count, corpus);
            var undisturbed = await new EmbeddedRunHost().RunAsync(request, new SilentObserver(), null, cancellation);
            for (var round = 1; round <= rounds; round++)
            {
                foreach (var balanced in (bool[])[false, true])
                {
                    var row = await RunAsync(count, balanced, round, corpus, undisturbed.WeightsSha256, cancellation);
                    rows.Add(row);
                    say(Words(row));
                }
            }
        }

        return new BalanceBenchmarkResult(1_000 * laneSeconds, steps, rows);
    }

    private static string Words(BalanceRow row) => string.Create(CultureInfo.InvariantCulture,
        $"{row.Silos} silos, {(row.Balanced ? "balanced" : "not balanced")}: {row.StepMilliseconds} ms a step, then {row.SlowedStepMilliseconds} ms; ")
        + string.Create(CultureInfo.InvariantCulture, $"{100 * row.Lost:0.0} % of the pace is lost, the slow one's share is {100 * row.Share:0} %; ")
        + $"lanes {string.Join('|', row.LanesAtEnd)}; weights {(row.Equal ? "EQUAL" : "NOT EQUAL")}";

    private async Task<BalanceRow> RunAsync(int silos, bool balanced, int round, string corpus, string expected, CancellationToken cancellation)
    {
        var run = $"{silos}-{(balanced ? "balanced" : "even")}-{round}";
        var job = TrainingJob.KeyOf(run, StageNames.Pretraining);
        var options = new LocalClusterOptions
        {
            Runs = folder,
            Silos = silos,
            Faults = true,
            Settings = new Dictionary<string, string?> { [BalancingOptions.Key] = $"{balanced}" },
        };
        await using var cluster = await LocalCluster.StartAsync(options, (_, _) => { }, cancellation);
        await using var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
        foreach (var silo in cluster.State.Silos)
            await SlowAsync(silo, 0);
        var slow = cluster.State.Silos[^1];
        await SlowAsync(slow, steps / 2);
        var summary = await new ClusterRunHost(cluster.State, "cluster").RunAsync(Request(run, silos, corpus), new SilentObserver(), null, cancellation);
        var ledger = FaultInjector.Read(cluster.State.Faults!, job);
        var commits = ledger.Where(e => e.Event == LedgerEvent.Committed).GroupBy(e => e.Step).ToDictionary(group => group.Key, group => group.Min(e => e.Seconds));
        // Those begun before the silos knew each other, and warm-up, are left out.
        var before = Median.Of(Times(steps / 4, steps / 2 - 1));
        var after = Times(steps / 2, steps - 1);
        var settled = Median.Of(Times(3 * steps / 4, steps - 1));
        var lanes = ledger.Where(e => e.Event == LedgerEvent.Computed).ToLookup(e => e.Step, e => ReplicaKey.Parse(ReplicaKey.OfMember(e.Member)).Silo);
        var names = cluster.State.Silos.Select(silo => silo.Name).ToArray();
        var even = LanesAt(steps / 2 - 1);
        var moved = Enumerable.Range(steps / 2, steps - steps / 2).Where(step => !LanesAt(step).SequenceEqual(even))
            .Select(step => (long?)step - steps / 2).FirstOrDefault();
        return new BalanceRow(
            silos, silos * LanesPerReplica, balanced, summary.WeightsSha256 == expected, Math.Round(1_000 * before, 2), Math.Round(1_000 * after.Average(), 2),
            Math.Round(1 - before / after.Average(), 4), Math.Round(1 - before / settled, 4), Math.Round(1.0 / silos, 4), LanesAt(steps - 1), moved);

        Task SlowAsync(LocalProcess silo, long from) => connection.Grains.GetGrain<IFaultGrain>(new ReplicaKey("faults", silo.Name, 0).ToString())
            .ArmAsync(FaultKind.Slow, StepPhase.Backward, from, laneSeconds, steps);

        double[] Times(int from, int until) => [.. Enumerable.Range(from, until - from).Select(step => commits[step + 1] - commits[step])];

        int[] LanesAt(long step) => [.. names.Select(name => lanes[step].Count(silo => silo == name))];
    }

    private RunRequest Request(string run, int silos, string corpus)
    {
        var recipe = ProofRecipe.Of("balance", steps);
        return new RunRequest
        {
            Folder = new RunFolder(Path.Combine(folder, run)),
            Recipe = recipe with
            {
                Model = new ModelShape { Layers = 1, Width = 32, Heads = 1, Context = 32, FeedForward = 64 },
                Tokenizer = new TokenizerRecipe { Vocabulary = 400 },
                Training = recipe.Training with { Lanes = silos * LanesPerReplica, EvaluateEvery = 0, CheckpointEvery = 0, EvaluationTokens = 1_024 },
            },
            CorpusPath = corpus,
            Replicas = 1,
            Silos = RunSetup.EmbeddedSilo,
        };
    }
}
