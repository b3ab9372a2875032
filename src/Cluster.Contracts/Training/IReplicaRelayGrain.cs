using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>
/// The coordinator's way to the replicas of one silo: a message for many of them is one call. Key: <see cref="ReplicaKey"/> with slot 0;
/// it runs on that silo or nowhere.
/// </summary>
[Alias("Cluster.Training.Relay")]
public interface IReplicaRelayGrain : IGrainWithStringKey
{
    /// <summary>Makes engines and has them join the run; answers at once. Nothing happens where a replica works on that very job.</summary>
    /// <param name="job">What to work on.</param>
    /// <param name="slots">Which replicas.</param>
    [Alias("Start")]
    Task StartAsync(TrainingJob job, int[] slots);

    /// <summary>Compute a step.</summary>
    /// <param name="begin">The step; it may leave the plan out.</param>
    /// <param name="slots">Which replicas.</param>
    /// <returns>Whether the plan is here. If not, nobody has begun.</returns>
    [Alias("Begin")]
    Task<bool> BeginAsync(BeginStepMessage begin, int[] slots);

    /// <summary>Apply a step.</summary>
    [Alias("Commit"), OneWay]
    Task CommitAsync(CommitMessage commit, int[] slots);

    /// <summary>Say where you are.</summary>
    [Alias("Query"), OneWay]
    Task QueryAsync(QueryMessage query, int[] slots);

    /// <summary>They take no part any more; they may offer themselves again.</summary>
    [Alias("Evicted"), OneWay]
    Task EvictedAsync(EvictedMessage evicted, int[] slots);

    /// <summary>Copy a peer's state.</summary>
    [Alias("Copy"), OneWay]
    Task CopyAsync(CopyStateMessage copy, int slot);

    /// <summary>It can never take part, and why.</summary>
    [Alias("Refused"), OneWay]
    Task RefusedAsync(string member, string reason);
}
