// Enters: a folder to work in. Leaves: two runs of one recipe, one of them disturbed, and what each came to.
// Does not know: how it is shown.

using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;
using Orleans.Runtime;

namespace Cluster.Cli.Runs;

/// <summary>What happened to the disturbed run.</summary>
/// <param name="Step">Steps that were trained when it happened.</param>
/// <param name="What">In words.</param>
public sealed record Disturbance(long Step, string What);

/// <summary>A step in both runs.</summary>
/// <param name="Step">Counted from 1.</param>
/// <param name="Undisturbed">Its loss, in nats per token.</param>
/// <param name="Disturbed">The same.</param>
public sealed record ProofStep(long Step, double Undisturbed, double Disturbed);

/// <summary>What the two runs came to.</summary>
/// <param name="Equal">Whether the weights are the same to the last bit.</param>
/// <param name="UndisturbedSha256">Of the weights, on one replica in one process.</param>
/// <param name="DisturbedSha256">Of the weights, on silos of which one was killed.</param>
/// <param name="Steps">Steps of each.</param>
/// <param name="CheckpointsLoaded">By the disturbed run.</param>
/// <param name="Disturbances">What happened to it.</param>
/// <param name="Losses">Some steps side by side.</param>
public sealed record ProofResult(
    bool Equal, string UndisturbedSha256, string DisturbedSha256, long Steps, int CheckpointsLoaded, IReadOnlyList<Disturbance> Disturbances,
    IReadOnlyList<ProofStep> Losses);

/// <summary>Trains the same recipe twice: once undisturbed, once on three silos of which the coordinator's is killed.</summary>
/// <param name="folder">Where the runs go.</param>
/// <param name="say">Told what happens.</param>
internal sealed class Proof(string folder, Action<string> say)
{
    private const int Shown = 6;

    /// <summary>Of each run, a multiple of 12: a quarter comes before the kill, a half before a silo is added.</summary>
    public int Steps { get; init; } = 240;

    /// <summary>Trains both.</summary>
    public async Task<ProofResult> RunAsync(CancellationToken cancellation)
    {
        var corpus = ProofRecipe.WriteCorpus(folder);
        say($"{Steps} steps in this process, undisturbed");
        var undisturbed = await new EmbeddedRunHost().RunAsync(Request("undisturbed", corpus), new StepObserver(_ => { }), null, cancellation);

        say("three silos as processes of their own");
        await using var cluster = await LocalCluster.StartAsync(new LocalClusterOptions { Runs = folder, Silos = 3 }, (_, _) => { }, cancellation);
        await using var connection = await ClusterConnection.OpenAsync(cluster.State, cancellation);
        var disturbances = new List<Disturbance>();
        Task adding = Task.CompletedTask;
        var observer = new StepObserver(step =>
        {
            var (killing, growing) = (step == Steps / 4, step == Steps / 2);
            if (killing)
                disturbances.Add(new Disturbance(step, KillCoordinator(connection, cluster.State)));
            if (growing)
            {
                adding = cluster.AddSiloAsync(cancellation);
                disturbances.Add(new Disturbance(step, "a silo is added"));
            }

            if (killing || growing)
                say($"step {step}: {disturbances[^1].What}");
        });
        var disturbed = await new ClusterRunHost(cluster.State, "cluster").RunAsync(Request("disturbed", corpus), observer, null, cancellation);
        await adding;
        return new ProofResult(
            undisturbed.WeightsSha256 == disturbed.WeightsSha256, undisturbed.WeightsSha256, disturbed.WeightsSha256, Steps, disturbed.CheckpointsLoaded,
            disturbances, SideBySide());
    }

    private static string KillCoordinator(ClusterConnection connection, ClusterState state)
    {
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf("disturbed", StageNames.Pretraining));
        var address = connection.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress(coordinator).AsTask().GetAwaiter().GetResult();
        var victim = state.Silos.Single(silo => silo.Port == address!.Endpoint.Port);
        SiloControl.KillAsync(victim, CancellationToken.None).GetAwaiter().GetResult();
        return $"{victim.Name}, which held the coordinator and a third of the work, is killed (signal 9)";
    }

    private ProofStep[] SideBySide()
    {
        Dictionary<long, double> one = Losses("undisturbed"), two = Losses("disturbed");
        return [.. Enumerable.Range(1, Shown).Select(i => (long)i * Steps / Shown).Select(step => new ProofStep(
            step, one[step], two[step]))];
    }

    private Dictionary<long, double> Losses(string run) => RunJson.ReadLines<MetricPoint>(Folder(run).Metrics)
        .Where(point => point is { Stage: StageNames.Pretraining, Loss: not null }).ToDictionary(point => point.Step, point => point.Loss!.Value);

    private RunFolder Folder(string run) => new(Path.Combine(folder, run));

    private RunRequest Request(string run, string corpus) => new()
    {
        Folder = Folder(run),
        Recipe = ProofRecipe.Of("prove", Steps),
        CorpusPath = corpus,
        Replicas = 1,
        Silos = RunSetup.EmbeddedSilo,
    };

    /// <summary>Tells of each step once, though a driver that takes over tells of them again.</summary>
    private sealed class StepObserver(Action<long> reached) : SilentObserver
    {
        private long _last;

        public override void Trained(MetricPoint point, long totalSteps)
        {
            if (point.Loss is null || point.Step <= _last)
                return;
            _last = point.Step;
            reached(point.Step);
        }
    }
}
