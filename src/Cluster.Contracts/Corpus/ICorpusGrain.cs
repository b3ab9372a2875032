using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Corpus;

/// <summary>
/// Builds a corpus on the silos with the role of data, whichever of them die meanwhile: hands out the units of each phase and waits for
/// them. What is done lies in the corpus' folder, which every silo sees under one path. Key: the corpus' name.
/// </summary>
[Alias("Cluster.Corpus.Corpus")]
public interface ICorpusGrain : IGrainWithStringKey
{
    /// <summary>Begins, or goes on with, a build; answers at once. Nothing happens where it is under way.</summary>
    [Alias("Submit")]
    Task SubmitAsync(CorpusSubmission submission);

    /// <summary>Ends it after the units at hand; it can be submitted again. False where nothing is built.</summary>
    [Alias("Cancel")]
    Task<bool> CancelAsync();

    /// <summary>Answers when something has changed since, or after a second with whatever holds then.</summary>
    /// <param name="after">The <see cref="CorpusProgress.Changes"/> that is known already.</param>
    [Alias("Wait"), AlwaysInterleave]
    Task<CorpusProgress> WaitAsync(long after);

    /// <summary>Does nothing but be there: after the death of its silo the build goes on where this is called first.</summary>
    [Alias("Wake"), AlwaysInterleave]
    Task WakeAsync();
}

/// <summary>
/// Does units of corpora on one silo, one at a time. Key: a <see cref="Training.ReplicaKey"/> whose run is the corpus' name; the grain is
/// on the silo that the key names. No call outlasts a second.
/// </summary>
[Alias("Cluster.Corpus.Worker")]
public interface ICorpusWorkerGrain : IGrainWithStringKey
{
    /// <summary>Begins a unit, beside the grain's turns, unless it is the one at hand.</summary>
    [Alias("Start")]
    Task StartAsync(CorpusUnit unit);

    /// <summary>Answers when the unit at hand is done, or after a second with what holds then.</summary>
    [Alias("Wait"), AlwaysInterleave]
    Task<CorpusUnitState> WaitAsync(CorpusUnit unit);
}

/// <summary>A corpus to build.</summary>
/// <param name="Folder">Seen by every silo under this path. A build that was begun there goes on.</param>
/// <param name="RecipeJson">The recipe in canonical form.</param>
/// <param name="WorkersPerSilo">Units at a time on each silo, at least 1.</param>
/// <param name="MemoryBytes">For the buffers of sorting on a silo.</param>
[GenerateSerializer, Immutable]
public sealed record CorpusSubmission(
    [property: Id(0)] string Folder, [property: Id(1)] string RecipeJson, [property: Id(2)] int WorkersPerSilo, [property: Id(3)] long MemoryBytes);

/// <summary>How far a build is.</summary>
/// <param name="State">running, done, cancelled, failed; "none" where nothing was submitted.</param>
/// <param name="Reason">Why it failed, or null.</param>
/// <param name="Phase">The phase at hand.</param>
/// <param name="Done">Its units that are done.</param>
/// <param name="Units">All its units.</param>
/// <param name="UnitsLost">Units that were given out again since this activation began, because their silo died.</param>
/// <param name="Changes">Grows with every change.</param>
[GenerateSerializer, Immutable]
public sealed record CorpusProgress(
    [property: Id(0)] string State, [property: Id(1)] string? Reason, [property: Id(2)] string Phase, [property: Id(3)] int Done,
    [property: Id(4)] int Units, [property: Id(5)] int UnitsLost, [property: Id(6)] long Changes);

/// <summary>A unit of a build.</summary>
/// <param name="Folder">The corpus' folder.</param>
/// <param name="Phase">The phase.</param>
/// <param name="Unit">Its number within the phase.</param>
/// <param name="MemoryBytes">For the buffers of sorting.</param>
[GenerateSerializer, Immutable]
public sealed record CorpusUnit(
    [property: Id(0)] string Folder, [property: Id(1)] string Phase, [property: Id(2)] int Unit, [property: Id(3)] long MemoryBytes);

/// <summary>What became of a unit.</summary>
/// <param name="State">running, done, failed; "unknown" where this worker was not told of it.</param>
/// <param name="What">What is wrong, if it failed.</param>
/// <param name="Remedy">What to do about it; null for a fault of the program.</param>
[GenerateSerializer, Immutable]
public sealed record CorpusUnitState([property: Id(0)] string State, [property: Id(1)] string? What = null, [property: Id(2)] string? Remedy = null);
