using Cluster.Contracts.Checkpoints;
using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>
/// One training engine on a compute thread of its own. Key: <see cref="ReplicaKey"/>; it runs on that silo or nowhere. Long work is
/// started by one call and answered by another, so that no call outlasts a step. The coordinator's messages come by its silo's
/// <see cref="IReplicaRelayGrain"/>.
/// </summary>
[Alias("Cluster.Training.Replica")]
public interface IReplicaGrain : IGrainWithStringKey
{
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

    /// <summary>What memory the replica takes; at once.</summary>
    [Alias("GetBytes"), AlwaysInterleave]
    Task<ReplicaBytes> GetBytesAsync();

    /// <summary>Answers at once, if the replica's silo lives: whether that life of the replica is there.</summary>
    /// <param name="member">As <see cref="ReplicaKey.MemberId"/> names it.</param>
    [Alias("IsThere"), AlwaysInterleave]
    Task<bool> IsThereAsync(string member);

    /// <summary>Leaves the run and frees the engine.</summary>
    [Alias("Stop")]
    Task StopAsync();
}
