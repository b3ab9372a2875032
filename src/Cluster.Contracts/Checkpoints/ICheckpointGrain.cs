using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Checkpoints;

/// <summary>
/// A stage's checkpoints: which there are, which one to start from, who writes the next. Key: run/stage. The bytes go from a
/// replica's memory to the disk; they do not pass through this grain.
/// </summary>
[Alias("Cluster.Checkpoints.Checkpoint")]
public interface ICheckpointGrain : IGrainWithStringKey
{
    /// <summary>Takes a stage's folder; must come before everything else.</summary>
    [Alias("Open")]
    Task OpenAsync(CheckpointFolder folder);

    /// <summary>The newest intact checkpoint of this recipe; those that are not are named in its warnings.</summary>
    [Alias("FindLatest")]
    Task<CheckpointFound> FindLatestAsync();

    /// <summary>Has a replica copy its state and write a checkpoint of it; answers when the copy is sure to precede the next step. One at a time.</summary>
    [Alias("Save")]
    Task SaveAsync(string replica, CheckpointRequest request);

    /// <summary>A replica has written one, or failed to.</summary>
    [Alias("Written"), AlwaysInterleave]
    Task WrittenAsync(long steps, CheckpointInfo? checkpoint, string? error);

    /// <summary>Answers when the last asked for is written or has failed, or after a while.</summary>
    [Alias("Wait"), AlwaysInterleave]
    Task<CheckpointOutcome> WaitAsync();
}

/// <summary>Where a stage's checkpoints are.</summary>
/// <param name="RunPath">The run's folder.</param>
/// <param name="Stage">Name of the training stage.</param>
/// <param name="Keep">How many are kept.</param>
/// <param name="RecipeJson">Canonical: only checkpoints of this recipe count.</param>
[GenerateSerializer, Immutable]
public sealed record CheckpointFolder([property: Id(0)] string RunPath, [property: Id(1)] string Stage, [property: Id(2)] int Keep, [property: Id(3)] string RecipeJson);

/// <summary>A checkpoint to write, with what only the stage's driver knows.</summary>
/// <param name="Folder">Where.</param>
/// <param name="Steps">Steps applied.</param>
/// <param name="Tokens">Tokens trained on.</param>
/// <param name="Seconds">Of training.</param>
/// <param name="BestValidationLoss">So far, or null.</param>
/// <param name="ValidationsWithoutImprovement">Since the best.</param>
[GenerateSerializer, Immutable]
public sealed record CheckpointRequest(
    [property: Id(0)] CheckpointFolder Folder, [property: Id(1)] long Steps, [property: Id(2)] long Tokens, [property: Id(3)] double Seconds,
    [property: Id(4)] double? BestValidationLoss, [property: Id(5)] int ValidationsWithoutImprovement);

/// <summary>A checkpoint that is there.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Steps">Steps applied.</param>
/// <param name="Seconds">Of training.</param>
/// <param name="WeightsSha256">Of the flat parameters.</param>
/// <param name="BestValidationLoss">So far, or null.</param>
/// <param name="ValidationsWithoutImprovement">Since the best.</param>
[GenerateSerializer, Immutable]
public sealed record CheckpointInfo(
    [property: Id(0)] string Path, [property: Id(1)] long Steps, [property: Id(2)] double Seconds, [property: Id(3)] string WeightsSha256,
    [property: Id(4)] double? BestValidationLoss, [property: Id(5)] int ValidationsWithoutImprovement);

/// <summary>What a search found.</summary>
[GenerateSerializer, Immutable]
public sealed record CheckpointFound([property: Id(0)] CheckpointInfo? Checkpoint, [property: Id(1)] IReadOnlyList<string> Warnings);

/// <summary>Where saving is.</summary>
/// <param name="Pending">Whether one is being written.</param>
/// <param name="Last">The last that was written, or null.</param>
/// <param name="Error">Why the last attempt failed, or null.</param>
[GenerateSerializer, Immutable]
public sealed record CheckpointOutcome([property: Id(0)] bool Pending, [property: Id(1)] CheckpointInfo? Last, [property: Id(2)] string? Error);
