using Orleans;

namespace Cluster.Contracts.Training;

/// <summary>What replicas do that compute nothing: they keep the protocol, take time, fail and come back. All times in seconds.</summary>
/// <param name="Seed">Of gradients' hashes, jitter and failures.</param>
/// <param name="LaneSeconds">That a lane takes.</param>
/// <param name="Jitter">A lane takes up to this share longer, 0–1.</param>
/// <param name="MeanSecondsBetweenFailures">Of one replica, exponentially distributed; 0 for none.</param>
/// <param name="RestartSeconds">From a failure to the offer of the next life.</param>
/// <param name="CopySeconds">That a newcomer takes to copy a state.</param>
[GenerateSerializer, Immutable]
public sealed record SimulatedWork(
    [property: Id(0)] ulong Seed, [property: Id(1)] double LaneSeconds, [property: Id(2)] double Jitter, [property: Id(3)] double MeanSecondsBetweenFailures,
    [property: Id(4)] double RestartSeconds, [property: Id(5)] double CopySeconds);

/// <summary>What the simulated replicas of a silo have seen. Key: <see cref="ReplicaKey"/> of the job with slot 0; it runs on that silo.</summary>
[Alias("Cluster.Training.Simulation")]
public interface ISimulationGrain : IGrainWithStringKey
{
    /// <summary>All so far.</summary>
    [Alias("Get")]
    Task<SimulationFigures> GetAsync();
}

/// <summary>Of a silo. Times are ticks of the machine's monotonic clock, which its processes share.</summary>
/// <param name="Steps">Applied steps with when they were, in order.</param>
/// <param name="Failures">When replicas failed.</param>
/// <param name="Messages">Sent by the silo so far to other processes, answers included.</param>
/// <param name="Bytes">Of those messages.</param>
/// <param name="ProcessorSeconds">That the process has used so far.</param>
/// <param name="Wrong">Replicas that applied other bits than (seed, step) give; 0.</param>
[GenerateSerializer, Immutable]
public sealed record SimulationFigures(
    [property: Id(0)] IReadOnlyList<SimulatedStep> Steps, [property: Id(1)] IReadOnlyList<long> Failures, [property: Id(2)] long Messages, [property: Id(3)] long Bytes,
    [property: Id(4)] double ProcessorSeconds, [property: Id(5)] long Wrong);

/// <summary>A step as a silo's replicas saw it.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="LastReady">When the last of them said READY.</param>
/// <param name="FirstCommit">When the first of them heard of its COMMIT.</param>
/// <param name="LastCommit">When the last of them did.</param>
[GenerateSerializer, Immutable]
public sealed record SimulatedStep([property: Id(0)] long Step, [property: Id(1)] long LastReady, [property: Id(2)] long FirstCommit, [property: Id(3)] long LastCommit);
