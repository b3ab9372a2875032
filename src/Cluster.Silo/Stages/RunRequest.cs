using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>What to run.</summary>
public sealed record RunRequest
{
    /// <summary>Where results go. If a run was begun there it goes on, with its own recipe.</summary>
    public required RunFolder Folder { get; init; }

    /// <summary>The recipe; its vocabulary and precision may still be open.</summary>
    public required Recipe Recipe { get; init; }

    /// <summary>Folder or file of text; null for the SDK's reference documentation.</summary>
    public string? CorpusPath { get; init; }

    /// <summary>Replicas of a training stage, at least 1.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>
    /// Replicas on every silo that trains, whichever those are at the time; 0 where they are as many as said above, on the silos named below.
    /// </summary>
    public int SlotsPerSilo { get; init; }

    /// <summary>Names of the silos that replicas are spread over, in turn; at least one where there are no slots per silo.</summary>
    public required IReadOnlyList<string> Silos { get; init; }

    /// <summary>
    /// When the run was handed in to a cluster, where a runner may take over from another: what ended meanwhile has ended for both. Null where
    /// one runner does it all.
    /// </summary>
    public DateTimeOffset? SubmittedAt { get; init; }

    /// <summary>Pre-training stops after this many steps while its schedule stays the recipe's; null goes to its end.</summary>
    public long? StopAfter { get; init; }

    /// <summary>
    /// Minutes that the whole run may take, counted from the process's start: a short calibration then sets the recipe's steps. Null takes the recipe's.
    /// </summary>
    public double? Minutes { get; init; }

    /// <summary>The prompt that the model goes on with every half minute of training; null for none.</summary>
    public string? SamplePrompt { get; init; }

    /// <summary>Held-out questions answered at the end, 0–100.</summary>
    public int HeldOutQuestions { get; init; } = 6;
}

/// <summary>What a run is about to do, for people to read before it begins.</summary>
/// <param name="Source">Where the text comes from.</param>
/// <param name="SourceBytes">How much there is.</param>
/// <param name="Recipe">As far as it is resolved.</param>
/// <param name="Parameters">Trained values, if the tokenizer reaches its vocabulary.</param>
/// <param name="EstimatedSeconds">Time that the run takes, or null without a calibration.</param>
/// <param name="EstimatedMemoryBytes">Of all replicas together with the corpus.</param>
/// <param name="Folder">Where results go.</param>
/// <param name="ResumedStages">Stages that are done already.</param>
public sealed record RunPlan(
    string Source, long SourceBytes, Recipe Recipe, long Parameters, double? EstimatedSeconds, long EstimatedMemoryBytes, RunFolder Folder,
    IReadOnlyList<string> ResumedStages);
