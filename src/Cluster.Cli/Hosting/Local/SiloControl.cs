using System.Globalization;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;

namespace Cluster.Cli.Hosting.Local;

/// <summary>What other commands do to the silos of a cluster on this machine.</summary>
public static class SiloControl
{
    private static readonly TimeSpan s_killed = TimeSpan.FromSeconds(10);

    /// <summary>Has one more silo started.</summary>
    /// <exception cref="UserErrorException">It does not come up, or the supervisor does not answer.</exception>
    public static async Task<LocalProcess> AddAsync(ClusterState state, CancellationToken cancellation) =>
        (await ControlChannel.AskAsync(state.Control, new ControlRequest(ControlRequest.AddSilo), cancellation)).Silo!;

    /// <summary>Finds a silo that runs.</summary>
    /// <param name="state">The cluster.</param>
    /// <param name="id">Its name, or the number at its end.</param>
    /// <exception cref="UserErrorException">There is none.</exception>
    public static LocalProcess Find(ClusterState state, string id)
    {
        var name = int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? $"silo-{number}" : id;
        // The supervisor takes a silo off the list when it learns of its end; its number may be another process's by then.
        var running = state.Silos.Where(silo => silo.Process.IsAlive()).ToList();
        return running.Find(silo => silo.Name == name) ?? throw new UserErrorException(
            $"No silo \"{id}\" runs.", running.Count == 0 ? "None does; add one." : $"Give one of {string.Join(", ", running.Select(silo => silo.Name))}.");
    }

    /// <summary>Ends a silo at once, as a crash would, and waits until it is gone.</summary>
    /// <exception cref="UserErrorException">It is not gone in ten seconds.</exception>
    public static async Task KillAsync(LocalProcess silo, CancellationToken cancellation)
    {
        Posix.Kill(silo.Process.Pid);
        await WaitAsync(silo, s_killed, "Its process may be stuck in the system; look at it with `ps`.", cancellation);
    }

    /// <summary>Asks a silo to hand over what it works on and to leave, and waits until it is gone.</summary>
    /// <exception cref="UserErrorException">It is not gone in time.</exception>
    public static async Task DrainAsync(LocalProcess silo, TimeSpan patience, CancellationToken cancellation)
    {
        Posix.Terminate(silo.Process.Pid);
        await WaitAsync(silo, patience, $"Wait longer, or end it with `cluster silo kill {silo.Name}`: training survives that.", cancellation);
    }

    private static async Task WaitAsync(LocalProcess silo, TimeSpan patience, string remedy, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience);
        try
        {
            await silo.Process.WaitForEndAsync(limit.Token);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new UserErrorException($"{silo.Name} (process {silo.Process.Pid}) still runs after {patience.TotalSeconds:0} s.", remedy, error);
        }
    }
}
