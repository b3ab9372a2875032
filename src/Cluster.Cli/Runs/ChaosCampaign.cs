// Enters: a run under way on a cluster whose silos take faults. Leaves: faults at chosen phases of its steps, one after the other, each
// when the cluster has recovered from the last. Does not know: what came of them.

using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Faults;
using Cluster.Contracts.Training;
using Cluster.Core.Faults;
using Cluster.Core.Runs;
using Cluster.ServiceDefaults;
using Cluster.Silo.Faults;
using Orleans.Runtime;

namespace Cluster.Cli.Runs;

/// <summary>A fault that a campaign armed.</summary>
/// <param name="Fault">Which.</param>
/// <param name="Silo">Where.</param>
/// <param name="HeldCoordinator">Whether the job's coordinator was there.</param>
internal sealed record ArmedFault(Fault Fault, string Silo, bool HeldCoordinator);

/// <summary>Faults for one run.</summary>
/// <param name="cluster">Its processes.</param>
/// <param name="connection">A client of it.</param>
/// <param name="job">Key of the stage: run/stage.</param>
/// <param name="silos">Silos that are to be there before each fault.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ChaosCampaign(LocalCluster cluster, ClusterConnection connection, string job, int silos, Action<string> say)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50), s_hang = TimeSpan.FromSeconds(30);
    private readonly List<ArmedFault> _armed = [];
    private Task _replacing = Task.CompletedTask;

    /// <summary>Every kind once, kills once in each phase.</summary>
    public static IReadOnlyList<(FaultKind Kind, StepPhase Phase)> All { get; } =
    [
        .. Enum.GetValues<StepPhase>().Select(phase => (FaultKind.Kill, phase)),
        (FaultKind.Hang, StepPhase.Backward), (FaultKind.Slow, StepPhase.Backward), (FaultKind.Disconnect, StepPhase.Reduce),
        (FaultKind.CorruptFrame, StepPhase.Backward), (FaultKind.FullDisk, StepPhase.Backward), (FaultKind.SecondCoordinator, StepPhase.Ready),
    ];

    /// <summary>What was armed so far.</summary>
    public IReadOnlyList<ArmedFault> Armed => _armed;

    /// <summary>Goes through all kinds, in an order and at places that follow from the seed, until they are through or the run is over.</summary>
    public async Task RunAsync(int seed, CancellationToken over)
    {
        var random = new Random(seed);
        var faults = All.ToArray();
        random.Shuffle(faults);
        try
        {
            foreach (var (kind, phase) in faults)
                await InjectAsync(kind, phase, random, over);
        }
        catch (Exception error) when (error is StageOverException || (error is OperationCanceledException && over.IsCancellationRequested))
        {
            // The run has ended.
        }

        await _replacing;
    }

    private async Task InjectAsync(FaultKind kind, StepPhase phase, Random random, CancellationToken over)
    {
        var progress = await UntilAsync(p => p.Members.Count >= silos && !p.Finished, over);
        // The first is the one that writes checkpoints.
        var place = random.Next(progress.Members.Count);
        var member = progress.Members[kind == FaultKind.FullDisk ? 0 : place];
        var key = ReplicaKey.Parse(ReplicaKey.OfMember(member));
        var silo = SiloControl.Find(cluster.State, key.Silo);
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(job);
        var host = await connection.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress(coordinator);
        var fault = new Fault(kind, phase, progress.Steps + random.Next(1, 4), kind == FaultKind.Slow ? 0.5 : 0);
        var before = Happened().Count;
        await connection.Grains.GetGrain<IFaultGrain>(new ReplicaKey("faults", silo.Name, 0).ToString())
            .ArmAsync(fault.Kind, fault.Phase, fault.Step, fault.Seconds);
        var armed = new ArmedFault(fault, silo.Name, host?.Endpoint.Port == silo.Port);
        _armed.Add(armed);
        while (Happened().Count == before)
            await Task.Delay(s_poll, over);
        say($"step {Happened().MaxBy(e => e.Seconds)!.Step}: {RunJson.Line(kind).Trim('"')} in {RunJson.Line(phase).Trim('"')} on {silo.Name}{(armed.HeldCoordinator ? ", which held the coordinator" : "")}");

        if (kind == FaultKind.Hang)
        {
            // Replaced first, and then let go on: what it still does must count for nothing.
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(over);
            patience.CancelAfter(s_hang);
            try
            {
                await UntilAsync(p => !p.Members.Contains(member), patience.Token);
            }
            catch (OperationCanceledException) when (!over.IsCancellationRequested)
            {
                say($"{silo.Name} still takes part, {s_hang.TotalSeconds:0} s after it hung");
            }
            finally
            {
                Posix.Continue(silo.Process.Pid);
            }
        }

        // Commits again, with whoever is left.
        await UntilAsync(p => p.Steps > Happened().Max(e => e.Step) + 1, over);
        if (kind == FaultKind.Kill || !silo.Process.IsAlive())
            await ReplaceAsync();
        else if (kind == FaultKind.Hang)
            await ReplaceIfGoneAsync(silo, over);
    }

    private async Task ReplaceIfGoneAsync(LocalProcess silo, CancellationToken over)
    {
        // Whoever was declared dead ends by itself; whoever only was evicted comes back.
        while (silo.Process.IsAlive())
        {
            var progress = await UntilAsync(_ => true, over);
            if (progress.Members.Count >= silos)
                return;
            await Task.Delay(s_poll, over);
        }

        await ReplaceAsync();
    }

    private async Task ReplaceAsync()
    {
        await _replacing;
        // Not cancelled with the run: the next one begins with as many silos as this one.
        _replacing = cluster.AddSiloAsync(CancellationToken.None);
    }

    private IReadOnlyList<LedgerEntry> Happened() => FaultInjector.Read(cluster.State.Faults!, job, onlyFaults: true);

    private async Task<CoordinatorProgress> UntilAsync(Func<CoordinatorProgress, bool> holds, CancellationToken over)
    {
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(job);
        while (true)
        {
            try
            {
                var progress = await coordinator.GetProgressAsync().WaitAsync(TimeSpan.FromSeconds(2), over);
                // The stage is over, or stopped: the run says which.
                if (progress.Stopped is not null)
                    throw new StageOverException();
                if (progress.Generation > 0 && holds(progress))
                    return progress;
            }
            catch (Exception error) when (error is OrleansException or TimeoutException && !over.IsCancellationRequested)
            {
                // It is on its way to another silo.
            }

            await Task.Delay(s_poll, over);
        }
    }

    private sealed class StageOverException : Exception;
}
