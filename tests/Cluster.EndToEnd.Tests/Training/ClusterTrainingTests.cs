using System.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Faults;
using Cluster.Contracts.Training;
using Cluster.Core.Faults;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;
using Cluster.Silo.Faults;
using Cluster.Silo.Stages;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>A run on silo processes that are killed, stopped and added while it trains: the bits are those of a run that nothing happened to.</summary>
[Collection(ProcessCollection.Training)]
public sealed class ClusterTrainingTests : IDisposable
{
    private const int Steps = 400;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_CoordinatorKilledSiloHangsAnotherIsAdded_SameWeightsAsUndisturbed()
    {
        var undisturbed = await new EmbeddedRunHost().RunAsync(_run.Request("alone", Steps), new QuietObserver(), Ports.Free(), CancellationToken.None);

        var runs = _run.Runs;
        await using var up = LineProcess.Cluster("up", "--silos", "3", "--faults", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        await using var connection = await ClusterConnection.OpenAsync(state);
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf("disturbed", StageNames.Pretraining));

        // A driver that takes over tells what its stage did from the beginning: everything happens once only.
        var happened = new HashSet<long>();
        Task<(int Code, string Text)>? adding = null;
        Process? hanging = null;
        LocalProcess? victim = null;
        void Arm(FaultKind kind, StepPhase phase)
        {
            // On the silo that nothing else happens to.
            var last = state.Silos.First(silo => silo != victim && silo.Process.Pid != hanging!.Id).Name;
            connection.Grains.GetGrain<IFaultGrain>(new ReplicaKey("faults", last, 0).ToString()).ArmAsync(kind, phase, 250, 0.2).GetAwaiter().GetResult();
        }

        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Stage != StageNames.Pretraining || point.Loss is null || !happened.Add(point.Step))
                    return;
                if (point.Step == 40)
                {
                    var host = connection.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress(coordinator).AsTask().GetAwaiter().GetResult();
                    victim = state.Silos.Single(silo => silo.Port == host!.Endpoint.Port);
                    hanging = Process.GetProcessById(state.Silos.First(silo => silo != victim).Process.Pid);
                    // Before anything happens: small steps are quicker than whoever watches them.
                    Arm(FaultKind.CorruptFrame, StepPhase.Backward);
                    Arm(FaultKind.SecondCoordinator, StepPhase.Ready);
                    Arm(FaultKind.Slow, StepPhase.Commit);
                    Process.GetProcessById(victim.Process.Pid).Kill();
                }
                else if (point.Step == 120)
                {
                    Signal("-STOP", hanging!.Id);
                    adding = LineProcess.RunAsync("silo", "add", "--runs", runs);
                }
                else if (point.Step == 200)
                {
                    Signal("-CONT", hanging!.Id);
                }
            },
        };
        var disturbed = await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("disturbed", Steps), observer, null, CancellationToken.None);

        // Were nobody killed and nobody evicted, equal weights would say nothing.
        await up.WaitForAsync($"{victim!.Name} was killed (signal 9)");
        Assert.NotNull(adding);
        Assert.Equal(0, (await adding).Code);
        Assert.Equal(undisturbed.WeightsSha256, disturbed.WeightsSha256);
        Assert.Equal(undisturbed.ValidationLoss, disturbed.ValidationLoss);
        Assert.Equal(0, disturbed.CheckpointsLoaded);
        // What was armed happened, and every lane counts once.
        var ledger = LedgerReport.Of(FaultInjector.Read(state.Faults!, TrainingJob.KeyOf("disturbed", StageNames.Pretraining)), Steps, lanes: 4);
        Assert.Equal(
            [FaultKind.Slow, FaultKind.CorruptFrame, FaultKind.SecondCoordinator],
            ledger.Faults.Select(fault => fault.Fault.Kind).Order());
        Assert.All(ledger.Faults, fault => Assert.NotNull(fault.RecoverySeconds));
        Assert.Equal((0, 0, 4 * Steps + ledger.LanesLost), (ledger.SamplesLost, ledger.SamplesRepeated, ledger.LanesComputed));

        // Each step once, in order, with the same figures, whoever's coordinator died before it could tell of them.
        Assert.Equal(Steps, Trained("alone").Count);
        Assert.Equal(Trained("alone"), Trained("disturbed"));
    }

    private List<(long Step, double? Loss, double? Norm, double? LearningRate, long Tokens)> Trained(string run) =>
        [.. RunJson.ReadLines<MetricPoint>(_run.Folder(run).Metrics).Where(p => p is { Stage: StageNames.Pretraining, Loss: not null })
            .Select(p => (p.Step, p.Loss, p.GradientNorm, p.LearningRate, p.Tokens))];

    private static void Signal(string signal, int pid)
    {
        using var kill = Process.Start("kill", [signal, $"{pid}"]);
        kill.WaitForExit();
    }
}
