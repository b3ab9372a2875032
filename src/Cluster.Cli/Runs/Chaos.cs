// Enters: a cluster that runs, how often something is to go wrong. Leaves: silos killed, stopped, drained and replaced; how soon
// training went on. Does not know: what is trained, what comes of it.

using System.Globalization;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;

namespace Cluster.Cli.Runs;

/// <summary>What chaos came to.</summary>
/// <param name="Kills">Silos killed.</param>
/// <param name="Hangs">Silos stopped for a while.</param>
/// <param name="Drains">Silos asked to leave.</param>
/// <param name="Added">Silos added in their place.</param>
/// <param name="NextCommit">From a disturbance to the next COMMIT, where something was being trained.</param>
internal sealed record ChaosResult(int Kills, int Hangs, int Drains, int Added, RecoveryTimes NextCommit);

/// <summary>Disturbs a cluster at random, as a bad week would.</summary>
/// <param name="connection">The cluster.</param>
/// <param name="current">Its state now: silos come and go.</param>
/// <param name="meanSeconds">Mean time between faults; the time to the next is exponential.</param>
/// <param name="keep">Silos that are never disturbed below: so many go on at any time.</param>
/// <param name="time">Clock.</param>
/// <param name="say">Told what happens.</param>
internal sealed class Chaos(
    ClusterConnection connection, Func<ClusterState> current, double meanSeconds, int keep, TimeProvider time, Action<string> say)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(100), s_hang = TimeSpan.FromSeconds(10), s_drain = TimeSpan.FromSeconds(60),
        s_patience = TimeSpan.FromSeconds(60);

    private readonly List<double> _recoveries = [];
    private int _kills, _hangs, _drains, _added;

    /// <summary>Goes on until it is told to stop, and leaves as many silos as it found.</summary>
    /// <param name="seed">Decides what happens, to whom and when.</param>
    /// <param name="stop">Ends it after the fault at hand.</param>
    public async Task<ChaosResult> RunAsync(int seed, CancellationToken stop)
    {
        var random = new Random(seed);
        var silos = Running().Count;
        if (silos <= keep)
            throw new UserErrorException($"{silos} silos run, and {keep} are to be kept.", "Add silos, or give a smaller --keep.");
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) * meanSeconds), time, stop);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            await DisturbAsync(random, silos, stop);
        }

        return new ChaosResult(_kills, _hangs, _drains, _added, RecoveryTimes.Of(_recoveries));
    }

    private List<LocalProcess> Running() => [.. current().Silos.Where(silo => silo.Process.IsAlive())];

    private async Task DisturbAsync(Random random, int silos, CancellationToken stop)
    {
        var running = Running();
        if (running.Count <= keep)
            return;
        var victim = running[random.Next(running.Count)];
        var before = await StepsAsync();
        var began = time.GetTimestamp();
        var hangs = false;
        switch (random.Next(10))
        {
            case < 6:
                say($"{victim.Name} is killed");
                _kills++;
                await SiloControl.KillAsync(victim, CancellationToken.None);
                break;
            case < 8:
                say($"{victim.Name} hangs for {s_hang.TotalSeconds:0} s");
                _hangs++;
                hangs = true;
                Posix.Stop(victim.Process.Pid);
                break;
            default:
                say($"{victim.Name} is drained");
                _drains++;
                await SiloControl.DrainAsync(victim, s_drain, CancellationToken.None);
                break;
        }

        try
        {
            await WaitForCommitAsync(before, began, stop);
            if (hangs && time.GetElapsedTime(began) < s_hang)
                await Task.Delay(s_hang - time.GetElapsedTime(began), time, stop);
        }
        catch (OperationCanceledException)
        {
            // What was begun is brought to an end.
        }
        finally
        {
            // Its number may be another process's by now.
            if (hangs && victim.Process.IsAlive())
                Posix.Continue(victim.Process.Pid);
        }

        // A silo that hung and was declared dead ends by itself when it goes on.
        for (var waited = time.GetTimestamp(); hangs && victim.Process.IsAlive() && time.GetElapsedTime(waited) < s_hang && await IsDeadAsync(victim);)
            await Task.Delay(s_poll, time, CancellationToken.None);
        while (Running().Count < silos)
        {
            var added = await SiloControl.AddAsync(current(), CancellationToken.None);
            _added++;
            say($"{added.Name} is added");
        }
    }

    private async Task WaitForCommitAsync(Dictionary<string, long> before, long began, CancellationToken stop)
    {
        if (before.Count == 0)
            return;
        while (time.GetElapsedTime(began) < s_patience)
        {
            var now = await StepsAsync();
            // A stage that has come to its end is not waited for.
            if (before.All(stage => !now.TryGetValue(stage.Key, out var steps) || steps > stage.Value))
            {
                var seconds = time.GetElapsedTime(began).TotalSeconds;
                _recoveries.Add(seconds);
                say(string.Create(CultureInfo.InvariantCulture, $"next COMMIT after {seconds:0.0} s"));
                return;
            }

            await Task.Delay(s_poll, time, stop);
        }

        say($"no COMMIT within {s_patience.TotalSeconds:0} s");
    }

    /// <summary>Steps of every stage that is being trained.</summary>
    private async Task<Dictionary<string, long>> StepsAsync()
    {
        var steps = new Dictionary<string, long>(StringComparer.Ordinal);
        while (true)
        {
            try
            {
                foreach (var name in await connection.Grains.GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync())
                {
                    if (await connection.Grains.GetGrain<IRunGrain>(name).GetStatusAsync() is not { State: "running" } run)
                        continue;
                    var progress = await connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf(name, run.Stage)).GetProgressAsync();
                    if (progress is { Generation: > 0, Finished: false, Stopped: null })
                        steps[TrainingJob.KeyOf(name, run.Stage)] = progress.Steps;
                }

                return steps;
            }
            catch (Exception error) when (error is OrleansException or TimeoutException)
            {
                await Task.Delay(s_poll, time, CancellationToken.None);
            }
        }
    }

    private async Task<bool> IsDeadAsync(LocalProcess silo)
    {
        try
        {
            var hosts = await connection.Grains.GetGrain<IManagementGrain>(0).GetDetailedHosts();
            return hosts.Any(host => host.SiloName == silo.Name && host.Status == SiloStatus.Dead);
        }
        catch (Exception error) when (error is OrleansException or TimeoutException)
        {
            return true;
        }
    }
}
