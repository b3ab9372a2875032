// Enters: a cluster of this machine. Leaves: every silo that it had replaced by a new one, one after another.
// Does not know: how it is shown, how a silo hands over.

using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A silo and the one that took its place.</summary>
/// <param name="Left">The silo that was asked to leave (SIGTERM) and did.</param>
/// <param name="Came">Its successor.</param>
public sealed record SiloReplacement(string Left, string Came);

/// <summary>
/// What an upgrade does: each silo in turn is asked to leave, and the next is not before the new one takes part in what the cluster
/// trains. So a copy of the training state lives all the time, and no checkpoint is loaded.
/// </summary>
/// <param name="folder">Where the cluster's state is written.</param>
/// <param name="command">How the program is called, for remedies.</param>
/// <param name="said">Told of each replacement.</param>
public sealed class RollingRestart(ClusterFolder folder, string command, Action<SiloReplacement> said)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a silo may take to leave, and its successor to take part.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Replaces the silos that run now.</summary>
    /// <returns>In the order in which it was done.</returns>
    /// <exception cref="UserErrorException">One does not leave or come in time; those after it are left as they are.</exception>
    public async Task<IReadOnlyList<SiloReplacement>> RunAsync(CancellationToken cancellation)
    {
        var done = new List<SiloReplacement>();
        var silos = folder.Running(command).Silos;
        await using var connection = await ClusterConnection.OpenAsync(folder.Running(command), cancellation);
        foreach (var silo in silos)
        {
            // With one silo alone the new one comes first: there must be somebody to copy from.
            LocalProcess? early = silos.Count == 1 ? await AddAsync() : null;
            await SiloControl.DrainAsync(silo, Patience, cancellation);
            var came = early ?? await AddAsync();
            done.Add(new SiloReplacement(silo.Name, came.Name));
            said(done[^1]);
        }

        return done;

        async Task<LocalProcess> AddAsync()
        {
            var came = await SiloControl.AddAsync(folder.Running(command), cancellation);
            await TakesPartAsync(connection.Grains, came.Name, cancellation);
            return came;
        }
    }

    /// <summary>Waits until a silo is a member of every stage that trains, or sits by because all lanes are given.</summary>
    private async Task TakesPartAsync(IGrainFactory grains, string silo, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        var waiting = "";
        try
        {
            while (true)
            {
                try
                {
                    if (await WaitingAsync(grains, silo) is not { } run)
                        return;
                    waiting = run;
                }
                catch (Exception error) when (error is OrleansException or TimeoutException)
                {
                    // A grain of the silo that left is on its way to another.
                }

                await Task.Delay(s_pause, limit.Token);
            }
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new UserErrorException(
                $"{silo} has joined and takes no part in {waiting} after {Patience.TotalSeconds:0} s.",
                "The other silos are left as they are; its log says why. A silo beyond the recipe's lanes has nothing to do.", error);
        }
    }

    /// <summary>A run that trains without that silo; null where there is none.</summary>
    private static async Task<string?> WaitingAsync(IGrainFactory grains, string silo)
    {
        foreach (var name in await grains.GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync())
        {
            if (await grains.GetGrain<IRunGrain>(name).GetStatusAsync() is not { State: "running", Stage: StageNames.Pretraining or StageNames.FineTuning } run)
                continue;
            var key = TrainingJob.KeyOf(run.Run, run.Stage);
            if (await grains.GetGrain<ITrainingRunGrain>(key).GetStatusAsync() is not { State: "running" })
                continue;
            var progress = await grains.GetGrain<IAllReduceGrain>(key).GetProgressAsync();
            if (progress is { Stopped: null, Finished: false } && !progress.Members.Any(member => ReplicaKey.Parse(ReplicaKey.OfMember(member)).Silo == silo))
                return run.Run;
        }

        return null;
    }
}
