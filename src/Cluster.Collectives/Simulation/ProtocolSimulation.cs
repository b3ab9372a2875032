// Enters: a seed. Leaves: whether the protocol kept its invariants under the schedule that the seed stands for.
// Does not know: time, threads, sockets; nothing here waits.
namespace Cluster.Collectives.Simulation;

/// <summary>
/// The protocol under a deterministic simulator, as FoundationDB's and TigerBeetle's: the machines that production drives
/// (<see cref="Protocol.StepCoordinator"/>, <see cref="Protocol.ReplicaStepMachine"/>) are run by one seeded scheduler over a network
/// that delays, reorders, drops, duplicates and partitions, a store that times out and loses data, and processes that are killed,
/// paused, added and drained. Invariants are checked after every event; a schedule replays exactly from its seed.
/// Thread-safe: every call has a world of its own.
/// </summary>
public static class ProtocolSimulation
{
    /// <summary>Runs one schedule.</summary>
    /// <param name="seed">Which.</param>
    /// <param name="options">What may happen in it.</param>
    public static SimulationResult Run(ulong seed, SimulationOptions options) => new SimulatedWorld(seed, options).Run();

    /// <summary>
    /// The smallest schedule found, with its trace, that breaks an invariant as this seed's does: faults are left out, and shortened,
    /// as long as one is still broken (delta debugging; Zeller and Hildebrandt, TSE 2002).
    /// </summary>
    public static SimulationResult Shrink(ulong seed, SimulationOptions options)
    {
        var world = new SimulatedWorld(seed, options);
        var faults = world.Faults.ToList();
        if (world.Run().Violation is null)
            return Run(seed, options with { Trace = true });
        for (var chunk = Math.Max(1, faults.Count / 2); chunk > 0; chunk /= 2)
        {
            for (var start = 0; start < faults.Count;)
            {
                var fewer = faults.ToList();
                fewer.RemoveRange(start, Math.Min(chunk, fewer.Count - start));
                if (Fails(fewer))
                    faults = fewer;
                else
                    start += chunk;
            }
        }

        for (var i = 0; i < faults.Count; i++)
        {
            while (faults[i].Duration > 1)
            {
                var shorter = faults.ToList();
                shorter[i] = faults[i] with { Duration = faults[i].Duration / 2 };
                if (!Fails(shorter))
                    break;
                faults = shorter;
            }
        }

        return Run(seed, options with { Only = faults, Trace = true });

        bool Fails(IReadOnlyList<SimulatedFault> only) => Run(seed, options with { Only = only, Trace = false }).Violation is not null;
    }
}
