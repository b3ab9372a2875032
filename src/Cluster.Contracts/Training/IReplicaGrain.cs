using Cluster.Contracts.Checkpoints;
using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>
/// One training engine on a compute thread of its own. Key: <see cref="ReplicaKey"/>; it runs on that silo or nowhere. Long work is
/// started by one call and answered by another, so that no call outlasts a step.
/// </summary>
[Alias("Cluster.Training.Replica")]
public interface IReplicaGrain : IGrainWithStringKey
{
    /// <summary>Makes the engine and joins the run; answers at once. Nothing happens where the replica works on that very job.</summary>
    [Alias("Start")]
    Task StartAsync(TrainingJob job);

    /// <summary>Compute a step.</summary>
    [Alias("Begin"), OneWay]
    Task BeginAsync(BeginStepMessage begin);

    /// <summary>Apply a step.</summary>
    [Alias("Commit"), OneWay]
    Task CommitAsync(CommitMessage commit);

    /// <summary>Say where you are.</summary>
    [Alias("Query"), OneWay]
    Task QueryAsync(QueryMessage query);

    /// <summary>Copy a peer's state.</summary>
    [Alias("Copy"), OneWay]
    Task CopyAsync(CopyStateMessage copy);

    /// <summary>It takes no part any more; it may offer itself again.</summary>
    [Alias("Evicted"), OneWay]
    Task EvictedAsync(EvictedMessage evicted);

    /// <summary>It can never take part, and why.</summary>
    [Alias("Refused"), OneWay]
    Task RefusedAsync(string member, string reason);

    /// <summary>Sum the validation losses of some lanes once that many steps are applied; <see cref="ITrainingRunGrain.EvaluatedAsync"/> answers.</summary>
    [Alias("Evaluate")]
    Task EvaluateAsync(long steps, int firstLane, int lanes);

    /// <summary>Write a checkpoint once that many steps are applied; <see cref="ICheckpointGrain.WrittenAsync"/> answers.</summary>
    [Alias("Save")]
    Task SaveAsync(CheckpointRequest request);

    /// <summary>Let the present state write something.</summary>
    [Alias("Sample"), AlwaysInterleave]
    Task<SampleReply> SampleAsync(SampleRequest request);

    /// <summary>What the replica holds once at least that many steps are applied, read between two steps.</summary>
    [Alias("GetState"), AlwaysInterleave]
    Task<ReplicaState> GetStateAsync(long steps);

    /// <summary>Answers at once, if the replica's silo lives: whether that life of the replica is there.</summary>
    /// <param name="member">As <see cref="ReplicaKey.MemberId"/> names it.</param>
    [Alias("IsThere"), AlwaysInterleave]
    Task<bool> IsThereAsync(string member);

    /// <summary>Leaves the run and frees the engine.</summary>
    [Alias("Stop")]
    Task StopAsync();
}
