using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>One training engine on a compute thread of its own. Key: <see cref="ReplicaKey"/>; it runs on that silo or nowhere.</summary>
[Alias("Cluster.Training.Replica")]
public interface IReplicaGrain : IGrainWithStringKey
{
    /// <summary>Makes the engine and joins the run; answers at once.</summary>
    [Alias("Start")]
    Task StartAsync(TrainingJob job);

    /// <summary>Compute a step.</summary>
    [Alias("Begin"), OneWay]
    Task BeginAsync(BeginStepMessage begin);

    /// <summary>Apply a step.</summary>
    [Alias("Commit"), OneWay]
    Task CommitAsync(CommitMessage commit);

    /// <summary>What the replica holds once at least that many steps are applied, read between two steps.</summary>
    [Alias("GetState"), AlwaysInterleave]
    Task<ReplicaState> GetStateAsync(long steps);

    /// <summary>Leaves the run and frees the engine.</summary>
    [Alias("Stop")]
    Task StopAsync();
}
