// Enters: how many schedules. Leaves: what the simulator found in them, with the first failure shrunk. Does not know: the protocol.
using System.Diagnostics;
using Cluster.Collectives.Simulation;

namespace Cluster.Cli.Benchmarks;

/// <summary>Figures of many simulated schedules.</summary>
/// <param name="Schedules">Run.</param>
/// <param name="Violations">Schedules in which an invariant was broken.</param>
/// <param name="Faults">Injected.</param>
/// <param name="Activations">Of coordinators.</param>
/// <param name="Joined">Newcomers taken in.</param>
/// <param name="Steps">Committed.</param>
/// <param name="LanesComputed">By all replicas.</param>
/// <param name="LanesLost">Gone with their replica before their step was committed.</param>
/// <param name="LanesMoved">From slow replicas to fast ones.</param>
/// <param name="Completed">Schedules that reached their last step; in the others nobody survived, or the store was lost and the run said so.</param>
/// <param name="Rollbacks">Returns to a checkpoint: a part of a sharded optimizer's state was lost with all who held it.</param>
/// <param name="SchedulesPerSecond">On all cores.</param>
/// <param name="FirstViolation">Seed, invariant and the shrunk trace, or null.</param>
internal sealed record SimulateBenchmarkResult(
    long Schedules, long Violations, long Faults, long Activations, long Joined, long Steps, long LanesComputed, long LanesLost, long LanesMoved, long Completed,
    long Rollbacks, double SchedulesPerSecond, string? FirstViolation);

/// <summary>Runs the protocol's simulator over many seeds.</summary>
internal static class SimulateBenchmark
{
    public static SimulateBenchmarkResult Run(long seeds, ulong first, CancellationToken cancellation)
    {
        var gate = new Lock();
        long done = 0, violations = 0, faults = 0, activations = 0, joined = 0, steps = 0, computed = 0, lost = 0, moved = 0, completed = 0, rollbacks = 0;
        ulong? failing = null;
        var start = Stopwatch.GetTimestamp();
        Parallel.For(0L, seeds, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            var result = ProtocolSimulation.Run(first + (ulong)i, OptionsOf(first + (ulong)i));
            lock (gate)
            {
                (done, faults, activations, joined) = (done + 1, faults + result.Faults.Count, activations + result.Activations, joined + result.Joined);
                (steps, computed, lost, moved) = (steps + result.Steps, computed + result.LanesComputed, lost + result.LanesLost, moved + result.LanesMoved);
                completed += result.Done ? 1 : 0;
                rollbacks += result.Rollbacks;
                if (result.Violation is null)
                    return;
                violations++;
                failing = failing is { } earlier ? Math.Min(earlier, result.Seed) : result.Seed;
            }
        });
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new SimulateBenchmarkResult(
            done, violations, faults, activations, joined, steps, computed, lost, moved, completed, rollbacks, Math.Round(done / seconds, 1),
            failing is { } seed ? Words(seed, OptionsOf(seed)) : null);
    }

    /// <summary>In every other schedule replicas share the optimizer's state.</summary>
    private static SimulationOptions OptionsOf(ulong seed) => new() { ShardOptimizer = seed % 2 == 1 };

    private static string Words(ulong seed, SimulationOptions options)
    {
        var shrunk = ProtocolSimulation.Shrink(seed, options with { Trace = true });
        return $"seed {seed}: {shrunk.Violation}\n{string.Join('\n', shrunk.Faults)}\n{string.Join('\n', shrunk.Trace)}";
    }
}
