using Cluster.Core.Recipes;

namespace Cluster.Core.Runs;

/// <summary>A stage that is done.</summary>
/// <param name="Name">One of <see cref="StageNames"/>.</param>
/// <param name="Seconds">It took, over all processes that worked on it.</param>
/// <param name="InputSha256">Of what decides the stage's result; a resumed run skips the stage while it is the same.</param>
/// <param name="OutputSha256">Of what it made: weights, ids, documents.</param>
/// <param name="Figures">Further figures by name, in the order to show them.</param>
public sealed record StageRecord(string Name, double Seconds, string InputSha256, string OutputSha256, IReadOnlyDictionary<string, string> Figures);

/// <summary>What <c>origin.json</c> says: where a run that goes on finds its text, and how often it went on.</summary>
/// <param name="CorpusPath">Absolute, or null for the SDK's reference documentation.</param>
/// <param name="Minutes">Asked for, or null.</param>
/// <param name="CheckpointsLoaded">How often a training stage began from a checkpoint of its own.</param>
public sealed record RunOrigin(string? CorpusPath, double? Minutes, int CheckpointsLoaded);

/// <summary>What <c>summary.json</c> says of a run.</summary>
public sealed record RunSummary
{
    /// <summary>Name of the run.</summary>
    public required string Run { get; init; }

    /// <summary>SHA-256 of the flat parameters at the end of the last stage, lower-case hex.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>Steps of pre-training and fine-tuning.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens trained on in pre-training and fine-tuning.</summary>
    public required long Tokens { get; init; }

    /// <summary>Mean of the last tenth of pre-training's steps (at most 100), nats per token.</summary>
    public required double TrainLoss { get; init; }

    /// <summary>At the end of pre-training, nats per token.</summary>
    public required double ValidationLoss { get; init; }

    /// <summary>The same in bits per byte of text.</summary>
    public required double ValidationBitsPerByte { get; init; }

    /// <summary>At the end of fine-tuning, nats per token of the assistant; null without fine-tuning.</summary>
    public double? DialogueValidationLoss { get; init; }

    /// <summary>Mean word overlap (F1) of replies with the true answers of held-out questions, 0–1; null without fine-tuning.</summary>
    public double? HeldOutWordF1 { get; init; }

    /// <summary>Tokens of pre-training per second of it, checkpoints and validation included.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Share of the measured peak of matrix products, 0–1, over pre-training.</summary>
    public required double Mfu { get; init; }

    /// <summary>Measured peak of matrix products on all replicas' threads, GFLOP/s.</summary>
    public required double PeakGflops { get; init; }

    /// <summary>Trained values.</summary>
    public required long Parameters { get; init; }

    /// <summary>Replicas that trained; no part of the result.</summary>
    public required int Replicas { get; init; }

    /// <summary>Seconds over all stages.</summary>
    public required double Seconds { get; init; }

    /// <summary>Largest resident memory of the process, bytes.</summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>Bytes of weights, moments, gradients and activations of the replica that took most of them in pre-training; null where none said so.</summary>
    public IReadOnlyDictionary<string, long>? ReplicaBytes { get; init; }

    /// <summary>How often a training stage began from a checkpoint.</summary>
    public required int CheckpointsLoaded { get; init; }

    /// <summary>Of the recipe.</summary>
    public required string RecipeSha256 { get; init; }

    /// <summary>As resolved.</summary>
    public required Recipe Recipe { get; init; }

    /// <summary>In order.</summary>
    public required IReadOnlyList<StageRecord> Stages { get; init; }
}
