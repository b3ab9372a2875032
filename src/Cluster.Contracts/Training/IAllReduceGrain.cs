using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>A run's coordinator: membership, generations, and the one durable COMMIT of every step. Key: the run.</summary>
[Alias("Cluster.Training.AllReduce")]
public interface IAllReduceGrain : IGrainWithStringKey
{
    /// <summary>Begins a job; its replicas start and join by themselves.</summary>
    [Alias("Start")]
    Task StartAsync(TrainingJob job);

    /// <summary>A replica offers itself.</summary>
    [Alias("Join")]
    Task JoinAsync(MemberMessage member, long steps, string stateHash);

    /// <summary>A replica has a step's reduced gradient.</summary>
    [Alias("Ready")]
    Task ReadyAsync(ReadyMessage ready);

    /// <summary>A replica could not reach a peer in a generation.</summary>
    [Alias("PeerLost")]
    Task PeerLostAsync(string reporter, string lost, long generation, string reason);

    /// <summary>A replica cannot go on.</summary>
    [Alias("Failed")]
    Task FailedAsync(string member, string reason);

    /// <summary>Where the run is.</summary>
    [Alias("GetProgress"), AlwaysInterleave]
    Task<TrainingProgress> GetProgressAsync();

    /// <summary>Answers when that many steps are committed or the run has ended, or after half a minute with whatever holds then.</summary>
    [Alias("WaitForStep"), AlwaysInterleave]
    Task<TrainingProgress> WaitForStepAsync(long steps);
}
