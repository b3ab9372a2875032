using Cluster.Inference.Sampling;

namespace Cluster.Inference.Serving;

/// <summary>What is asked of an engine.</summary>
public sealed record InferenceRequest
{
    /// <summary>Ids of the prompt, at least one.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>How tokens are drawn, how many replies, and when they end.</summary>
    public GenerationOptions Options { get; init; } = new();

    /// <summary>Which stream of random numbers: requests of the same prompt, options and stream have the same replies.</summary>
    public ulong Stream { get; init; }

    /// <summary>
    /// The reply so far, if it was begun on another engine: it goes on with the very tokens that it would have had there. For a reply
    /// of several, ask with the options <see cref="GenerationOptions.OfChoice"/> gives.
    /// </summary>
    public IReadOnlyList<int> Emitted { get; init; } = [];

    /// <summary>Most time until the last token; the engine's own limit if null.</summary>
    public TimeSpan? Timeout { get; init; }
}
