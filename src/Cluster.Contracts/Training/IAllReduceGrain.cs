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

    /// <summary>What replicas of one silo have to say.</summary>
    [Alias("Hear")]
    Task HearAsync(HeardMessage heard);

    /// <summary>A replica cannot go on, as somebody else has found.</summary>
    [Alias("Failed")]
    Task FailedAsync(string member, string reason);

    /// <summary>What came of probing a replica. The coordinator tells itself.</summary>
    /// <param name="member">The replica.</param>
    /// <param name="isThere">Whether its silo has that life of it; null where the silo did not answer.</param>
    /// <param name="failure">Why it did not.</param>
    [Alias("Probed")]
    Task ProbedAsync(string member, bool? isThere, string? failure);

    /// <summary>What came of knocking at a silent replica's address. The coordinator tells itself.</summary>
    /// <param name="member">The replica.</param>
    /// <param name="isGone">Whether nobody listens there.</param>
    [Alias("Knocked")]
    Task KnockedAsync(string member, bool isGone);

    /// <summary>The membership has just learned of a death. The coordinator tells itself.</summary>
    [Alias("LookAgain")]
    Task LookAgainAsync();

    /// <summary>A silo's replicas are to leave after the step at hand; true once they take no part, or never will.</summary>
    [Alias("DrainSilo")]
    Task<bool> DrainSiloAsync(string silo);

    /// <summary>The stage is over: its replicas are stopped, and nobody takes it over.</summary>
    [Alias("End")]
    Task EndAsync();

    /// <summary>Where the stage is, without results; at once.</summary>
    [Alias("GetProgress"), AlwaysInterleave]
    Task<CoordinatorProgress> GetProgressAsync();

    /// <summary>
    /// Answers when more than that many steps are committed or the job has ended, or after a while with whatever holds then. The results up
    /// to that step are forgotten: whoever asks, and that is one, has written them down.
    /// </summary>
    /// <param name="after">Steps that are known already.</param>
    /// <param name="turn">
    /// The asking driver's turn: whoever asks with a lower one than somebody before, because it hung and was replaced, is told so and
    /// nothing else. 0 where there is no driver.
    /// </param>
    [Alias("WaitForProgress"), AlwaysInterleave]
    Task<CoordinatorProgress> WaitForProgressAsync(long after, long turn = 0);
}
