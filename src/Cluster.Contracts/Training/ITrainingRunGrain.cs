using Cluster.Contracts.Checkpoints;
using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Training;

/// <summary>
/// A training stage from its first step to its last: drives the coordinator from halt to halt, validates, saves, stops early, and
/// keeps the metrics. Key: run/stage.
/// </summary>
[Alias("Cluster.Training.Run")]
public interface ITrainingRunGrain : IGrainWithStringKey
{
    /// <summary>Begins a job; answers at once.</summary>
    [Alias("Start")]
    Task StartAsync(TrainingRunRequest request);

    /// <summary>Goes on to the end of the step at hand and waits there.</summary>
    [Alias("Pause")]
    Task PauseAsync();

    /// <summary>Goes on after a pause.</summary>
    [Alias("Resume")]
    Task ResumeAsync();

    /// <summary>Ends after the step at hand with a checkpoint, from which the stage can go on later.</summary>
    [Alias("Cancel")]
    Task CancelAsync();

    /// <summary>Does nothing but be there: after the death of its silo the driver goes on where it is called first.</summary>
    [Alias("Wake"), AlwaysInterleave]
    Task WakeAsync();

    /// <summary>A replica has summed validation losses.</summary>
    [Alias("Evaluated"), AlwaysInterleave]
    Task EvaluatedAsync(EvaluationResult result);

    /// <summary>Answers when there are metrics beyond that many lines or the stage has ended, or after a while with whatever holds then.</summary>
    [Alias("Wait"), AlwaysInterleave]
    Task<TrainingStatus> WaitAsync(long after);

    /// <summary>Where it is, at once and without metrics; null before it begins.</summary>
    [Alias("GetStatus"), AlwaysInterleave]
    Task<TrainingStatus?> GetStatusAsync();

    /// <summary>What it works on or worked on last; null before it begins.</summary>
    [Alias("GetRequest"), AlwaysInterleave]
    Task<TrainingRunRequest?> GetRequestAsync();

    /// <summary>Let the present state write something; null where no replica could.</summary>
    [Alias("Sample"), AlwaysInterleave]
    Task<SampleReply?> SampleAsync(SampleRequest request);
}

/// <summary>How a stage begins.</summary>
/// <param name="Job">What to do.</param>
/// <param name="Seconds">Of training before this job began.</param>
/// <param name="BestValidationLoss">So far, or null.</param>
/// <param name="ValidationsWithoutImprovement">Since the best.</param>
/// <param name="PeakFlops">Measured peak of matrix products of all replicas together, per second; 0 where it is not known.</param>
/// <param name="BitsPerByteOfNat">What a nat per token of validation is in bits per byte of text; null where the stage has no such figure.</param>
/// <param name="SubmittedAt">When the run was handed in that this stage belongs to; null where whoever runs it stays to its end.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingRunRequest(
    [property: Id(0)] TrainingJob Job, [property: Id(1)] double Seconds, [property: Id(2)] double? BestValidationLoss,
    [property: Id(3)] int ValidationsWithoutImprovement, [property: Id(4)] double PeakFlops,
    [property: Id(5)] double? BitsPerByteOfNat = null, [property: Id(6)] DateTimeOffset? SubmittedAt = null);

/// <summary>Where a training stage is.</summary>
/// <param name="State">running, paused, finished, cancelled or failed.</param>
/// <param name="Reason">Why it ended early or failed, or null.</param>
/// <param name="Steps">Steps committed.</param>
/// <param name="Seconds">Of training, over all processes that worked on it.</param>
/// <param name="Metrics">Lines of metrics.jsonl beyond those asked for.</param>
/// <param name="Next">Lines so far.</param>
/// <param name="Checkpoint">The last that was written, or null.</param>
/// <param name="ValidationLoss">The last, or null.</param>
/// <param name="Replicas">Replicas that take part.</param>
/// <param name="LostLanes">Lanes computed again.</param>
/// <param name="Alerts">What somebody should mend while it goes on, oldest first; those of this driver's life.</param>
/// <param name="CheckpointsLoaded">Checkpoints that it went back to since it began, because state was lost with all who held it.</param>
/// <param name="Memory">Of the replica with most of it, at the end; null before.</param>
[GenerateSerializer, Immutable]
public sealed record TrainingStatus(
    [property: Id(0)] string State, [property: Id(1)] string? Reason, [property: Id(2)] long Steps, [property: Id(3)] double Seconds,
    [property: Id(4)] IReadOnlyList<string> Metrics, [property: Id(5)] long Next, [property: Id(6)] CheckpointInfo? Checkpoint,
    [property: Id(7)] double? ValidationLoss, [property: Id(8)] int Replicas, [property: Id(9)] long LostLanes,
    [property: Id(10)] IReadOnlyList<string> Alerts, [property: Id(11)] int CheckpointsLoaded = 0,
    [property: Id(12)] ReplicaBytes? Memory = null);
