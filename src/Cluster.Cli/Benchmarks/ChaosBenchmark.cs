// Enters: how many runs. Leaves: what faults did to them: nothing to the weights, and how much to the time. Does not know: how faults come about.

using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Faults;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Faults;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Benchmarks;

/// <summary>Figures of runs under faults.</summary>
/// <param name="Runs">Runs.</param>
/// <param name="EqualRuns">Runs whose weights are those of the undisturbed one, to the last bit.</param>
/// <param name="Sha256">Of the undisturbed run's weights.</param>
/// <param name="StepsPerRun">Steps.</param>
/// <param name="FaultsInjected">All that happened.</param>
/// <param name="KillsByPhase">Silos killed, by where their replica was in its step.</param>
/// <param name="OthersByKind">Other faults.</param>
/// <param name="Recoveries">Faults that a COMMIT followed.</param>
/// <param name="ReplicaKilled">Time to the next COMMIT where the silo of a replica was killed.</param>
/// <param name="CoordinatorKilled">Where it was the coordinator's silo.</param>
/// <param name="Hung">Where a silo hung.</param>
/// <param name="OtherFaults">After other faults.</param>
/// <param name="StepSeconds">Median from COMMIT to COMMIT.</param>
/// <param name="SecondsPerFault">Mean time between faults while training.</param>
/// <param name="Goodput">Share of the time in which steps were made at the median's pace.</param>
/// <param name="LanesComputed">Lane gradients.</param>
/// <param name="LanesDue">Steps × lanes of all runs.</param>
/// <param name="LanesLost">Computed by replicas that were gone before their step was committed.</param>
/// <param name="CheckpointsLoaded">By all runs.</param>
/// <param name="SamplesLost">Lanes of committed steps that nobody computed.</param>
/// <param name="SamplesRepeated">Lanes that counted twice.</param>
/// <param name="MetricsEqual">Whether every run's metrics tell of each step once, with the undisturbed run's figures.</param>
internal sealed record ChaosBenchmarkResult(
    int Runs, int EqualRuns, string Sha256, int StepsPerRun, int FaultsInjected, IReadOnlyDictionary<string, int> KillsByPhase,
    IReadOnlyDictionary<string, int> OthersByKind, int Recoveries, RecoveryTimes ReplicaKilled, RecoveryTimes CoordinatorKilled, RecoveryTimes Hung,
    RecoveryTimes OtherFaults, double StepSeconds, double SecondsPerFault, double Goodput, long LanesComputed, long LanesDue, long LanesLost,
    int CheckpointsLoaded, long SamplesLost, long SamplesRepeated, bool MetricsEqual)
{
    /// <summary>Whether everything came out as promised.</summary>
    public bool Holds => EqualRuns == Runs && LanesComputed == LanesDue + LanesLost && CheckpointsLoaded == 0 && SamplesLost == 0 && SamplesRepeated == 0
        && MetricsEqual && Recoveries == FaultsInjected && FaultsInjected == Runs * ChaosCampaign.All.Count;
}

/// <summary>Trains one recipe again and again on silos that are killed, hang, lose connections and so on.</summary>
/// <param name="folder">Where the runs go.</param>
/// <param name="silos">Silos.</param>
/// <param name="steps">Steps of a run.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ChaosBenchmark(string folder, int silos, int steps, Action<string> say)
{
    private readonly Recipe _recipe = ProofRecipe.Of("chaos", steps);

    public async Task<ChaosBenchmarkResult> RunAsync(int seeds, int first, CancellationToken cancellation)
    {
        var corpus = ProofRecipe.WriteCorpus(folder);
        say($"{steps} steps in this process, undisturbed");
        var undisturbed = await new EmbeddedRunHost().RunAsync(Request("undisturbed", corpus), new SilentObserver(), null, cancellation);
        var expected = Losses("undisturbed");

        await using var cluster = await LocalCluster.StartAsync(new LocalClusterOptions { Runs = folder, Silos = silos, Faults = true }, (_, _) => { }, cancellation);
        var held = new HashSet<(string Run, Fault Fault)>();
        var runs = new List<(string Run, LedgerReport Report)>();
        var (equal, checkpoints, metrics) = (0, 0, true);
        for (var seed = first; seed < first + seeds; seed++)
        {
            var run = $"chaos-{seed}";
            var job = TrainingJob.KeyOf(run, StageNames.Pretraining);
            say($"run {run}");
            await using var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
            var campaign = new ChaosCampaign(cluster, connection, job, silos, say);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var injecting = campaign.RunAsync(seed, over.Token);
            var summary = await new ClusterRunHost(cluster.State, "cluster").RunAsync(Request(run, corpus), new SilentObserver(), null, cancellation);
            await over.CancelAsync();
            await injecting;

            var report = LedgerReport.Of(FaultInjector.Read(cluster.State.Faults!, job), steps, _recipe.Training.Lanes);
            runs.Add((run, report));
            foreach (var armed in campaign.Armed.Where(armed => armed.HeldCoordinator))
                held.Add((run, armed.Fault));
            equal += summary.WeightsSha256 == undisturbed.WeightsSha256 ? 1 : 0;
            checkpoints += summary.CheckpointsLoaded;
            metrics &= Losses(run).SequenceEqual(expected);
            say($"{run}: {(summary.WeightsSha256 == undisturbed.WeightsSha256 ? "EQUAL" : "NOT EQUAL")}, {report.Faults.Count} faults, "
                + $"{report.LanesComputed} lanes = {steps * _recipe.Training.Lanes} due + {report.LanesLost} lost");
        }

        var faults = runs.SelectMany(r => r.Report.Faults.Select(f => (r.Run, Injected: f, Held: held.Contains((r.Run, f.Fault))))).ToList();
        var all = runs.Select(r => r.Report).ToList();
        var seconds = all.Sum(r => r.StepSeconds * (steps - 1) / Math.Max(r.Goodput, 1e-9));
        return new ChaosBenchmarkResult(
            seeds, equal, undisturbed.WeightsSha256, steps, faults.Count,
            Count(faults.Where(f => f.Injected.Fault.Kind == FaultKind.Kill).Select(f => $"{f.Injected.Fault.Phase}")),
            Count(faults.Where(f => f.Injected.Fault.Kind != FaultKind.Kill).Select(f => $"{f.Injected.Fault.Kind}")),
            faults.Count(f => f.Injected.RecoverySeconds is not null),
            Times(f => f.Fault.Kind == FaultKind.Kill, heldCoordinator: false), Times(f => f.Fault.Kind == FaultKind.Kill, heldCoordinator: true),
            Times(f => f.Fault.Kind == FaultKind.Hang, null), Times(f => f.Fault.Kind is not (FaultKind.Kill or FaultKind.Hang), null),
            Math.Round(all.Average(r => r.StepSeconds), 4), Math.Round(seconds / Math.Max(1, faults.Count), 2), Math.Round(all.Average(r => r.Goodput), 3),
            all.Sum(r => r.LanesComputed), (long)seeds * steps * _recipe.Training.Lanes, all.Sum(r => r.LanesLost),
            checkpoints, all.Sum(r => r.SamplesLost), all.Sum(r => r.SamplesRepeated), metrics);

        RecoveryTimes Times(Func<InjectedFault, bool> which, bool? heldCoordinator) => RecoveryTimes.Of(faults
            .Where(f => which(f.Injected) && (heldCoordinator is null || f.Held == heldCoordinator) && f.Injected.RecoverySeconds is not null)
            .Select(f => f.Injected.RecoverySeconds!.Value));

        static Dictionary<string, int> Count(IEnumerable<string> names) =>
            names.CountBy(name => name).OrderBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
    }

    private List<(long Step, double? Loss, double? Norm)> Losses(string run) =>
        [.. RunJson.ReadLines<MetricPoint>(new RunFolder(Path.Combine(folder, run)).Metrics).Where(p => p.Loss is not null).Select(p => (p.Step, p.Loss, p.GradientNorm))];

    private RunRequest Request(string run, string corpus) => new()
    {
        Folder = new RunFolder(Path.Combine(folder, run)),
        // Checkpoints often, so that a full disk is met soon.
        Recipe = _recipe with { Training = _recipe.Training with { CheckpointEvery = 50 } },
        CorpusPath = corpus,
        Replicas = 1,
        Silos = RunSetup.EmbeddedSilo,
    };
}
