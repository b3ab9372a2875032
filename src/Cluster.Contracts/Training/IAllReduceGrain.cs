using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>A training stage's coordinator: membership, generations, and the one durable COMMIT of every step. Key: run/stage.</summary>
[Alias("Cluster.Training.AllReduce")]
public interface IAllReduceGrain : IGrainWithStringKey
{
    /// <summary>Begins a job; its replicas start and join by themselves.</summary>
    [Alias("Start")]
    Task StartAsync(TrainingJob job);

    /// <summary>Goes on, to a later last step.</summary>
    [Alias("Continue")]
    Task ContinueAsync(long lastStep);

    /// <summary>Rests as soon as the step at hand is committed.</summary>
    [Alias("Halt")]
    Task HaltAsync();

    /// <summary>A replica offers itself.</summary>
    [Alias("Join")]
    Task JoinAsync(JoinMessage join);

    /// <summary>A replica has a step's reduced gradient.</summary>
    [Alias("Ready")]
    Task ReadyAsync(ReadyMessage ready);

    /// <summary>A replica could not reach a peer in a generation.</summary>
    [Alias("PeerLost")]
    Task PeerLostAsync(string reporter, string lost, long generation, string reason);

    /// <summary>A replica cannot go on.</summary>
    [Alias("Failed")]
    Task FailedAsync(string member, string reason);

    /// <summary>Where the stage is, with the results after a step; at once.</summary>
    [Alias("GetProgress"), AlwaysInterleave]
    Task<CoordinatorProgress> GetProgressAsync(long after);

    /// <summary>Answers when more than that many steps are committed or the job has ended, or after a while with whatever holds then.</summary>
    [Alias("WaitForProgress"), AlwaysInterleave]
    Task<CoordinatorProgress> WaitForProgressAsync(long after);
}
