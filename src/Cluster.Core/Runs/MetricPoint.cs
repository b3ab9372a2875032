namespace Cluster.Core.Runs;

/// <summary>
/// One line of <c>metrics.jsonl</c>: a step of training (with <see cref="Loss"/>) or a validation after a step (with
/// <see cref="ValidationLoss"/>).
/// </summary>
public sealed record MetricPoint
{
    /// <summary>Name of the stage.</summary>
    public required string Stage { get; init; }

    /// <summary>Steps of the stage applied, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Seconds of training in this stage so far, over all processes that worked on it.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens of the stage trained on so far.</summary>
    public required long Tokens { get; init; }

    /// <summary>Name of the schedule's phase.</summary>
    public string? Phase { get; init; }

    /// <summary>Mean training loss of the step, nats per unmasked token.</summary>
    public double? Loss { get; init; }

    /// <summary>Of the step.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Euclidean norm of the step's gradient before clipping.</summary>
    public double? GradientNorm { get; init; }

    /// <summary>Over the last moments.</summary>
    public double? TokensPerSecond { get; init; }

    /// <summary>Useful floating-point operations as a share of the measured peak of matrix products, 0–1.</summary>
    public double? Mfu { get; init; }

    /// <summary>Mean validation loss, nats per unmasked token.</summary>
    public double? ValidationLoss { get; init; }
}

/// <summary>A text that the model wrote on the way.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Step">Steps applied.</param>
/// <param name="Seconds">Since the run's process started.</param>
/// <param name="Prompt">What it was given.</param>
/// <param name="Text">What it wrote.</param>
/// <param name="Expected">What a held-out document says, or null.</param>
public sealed record Sample(string Stage, long Step, double Seconds, string Prompt, string Text, string? Expected = null);
