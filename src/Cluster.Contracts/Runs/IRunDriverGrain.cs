using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Runs;

/// <summary>
/// Works on a run that was submitted to a cluster, stage by stage, whichever of its silos dies meanwhile. Key: the run's name.
/// </summary>
[Alias("Cluster.Runs.Driver")]
public interface IRunDriverGrain : IGrainWithStringKey
{
    /// <summary>Begins, or goes on with, a run; answers at once. Nothing happens where it is being worked on.</summary>
    [Alias("Submit")]
    Task SubmitAsync(RunSubmission submission);

    /// <summary>Lets the step at hand end and waits there. False where nothing is being trained.</summary>
    [Alias("Pause")]
    Task<bool> PauseAsync();

    /// <summary>Goes on after a pause. False where nothing is being trained.</summary>
    [Alias("Resume")]
    Task<bool> ResumeAsync();

    /// <summary>Ends after the step at hand with a checkpoint; the run can be submitted again. False where it is not worked on.</summary>
    [Alias("Cancel")]
    Task<bool> CancelAsync();

    /// <summary>Answers when there are events beyond that many or the run has ended, or after a while with whatever holds then.</summary>
    [Alias("Wait"), AlwaysInterleave]
    Task<RunProgress> WaitAsync(long after);

    /// <summary>Does nothing but be there: after the death of its silo the driver goes on where it is called first.</summary>
    [Alias("Wake"), AlwaysInterleave]
    Task WakeAsync();
}

/// <summary>A run to work on.</summary>
/// <param name="RunPath">The run's folder, seen by every silo under this path. If a run was begun there it goes on, with its own recipe.</param>
/// <param name="RecipeJson">The recipe in canonical form; its vocabulary and precision may still be open.</param>
/// <param name="CorpusPath">Folder or file of text; null for the SDK's reference documentation.</param>
/// <param name="SlotsPerSilo">Replicas on every silo that trains, at least 1.</param>
/// <param name="StopAfter">Pre-training stops after so many steps; null goes to its end.</param>
/// <param name="SamplePrompt">The prompt that the model goes on with now and then, or null.</param>
/// <param name="SubmittedAt">When.</param>
[GenerateSerializer, Immutable]
public sealed record RunSubmission(
    [property: Id(0)] string RunPath, [property: Id(1)] string RecipeJson, [property: Id(2)] string? CorpusPath, [property: Id(3)] int SlotsPerSilo,
    [property: Id(4)] long? StopAfter, [property: Id(5)] string? SamplePrompt, [property: Id(6)] DateTimeOffset SubmittedAt);

/// <summary>Where the work is.</summary>
/// <param name="State">running (a pause included), done, cancelled, failed; "none" where nothing was submitted.</param>
/// <param name="Reason">Why it failed, or null.</param>
/// <param name="Events">What happened beyond the place asked for, as JSON; older steps are thinned out.</param>
/// <param name="Next">Where the next stretch begins.</param>
[GenerateSerializer, Immutable]
public sealed record RunProgress(
    [property: Id(0)] string State, [property: Id(1)] string? Reason, [property: Id(2)] IReadOnlyList<string> Events, [property: Id(3)] long Next);
