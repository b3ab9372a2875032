using Cluster.Inference.Sampling;

namespace Cluster.Inference.Generation;

/// <summary>Why a reply ended.</summary>
public enum FinishReason
{
    /// <summary>A stop token or a stop string.</summary>
    Stop,

    /// <summary>As many tokens as were allowed.</summary>
    Length,

    /// <summary>The model's context is full.</summary>
    Context,

    /// <summary>Whoever asked went away.</summary>
    Cancelled,

    /// <summary>The time that the request was given is over.</summary>
    Deadline,

    /// <summary>Its next token could not be drawn, or the model failed.</summary>
    Failed,
}

/// <summary>One step of a reply.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">Natural logarithm of its probability under the model itself.</param>
/// <param name="Text">
/// The text that became certain with this token: whole characters, without what may turn out to begin a stop string. The pieces of
/// all steps together are the reply.
/// </param>
/// <param name="Finish">Set on the last token of a reply.</param>
/// <param name="Top">
/// The most probable tokens in its place, the first one first, as many as <see cref="GenerationOptions.TopLogProbabilities"/>; null if none.
/// </param>
public readonly record struct GeneratedToken(int Id, float LogProbability, string Text, FinishReason? Finish,
    IReadOnlyList<TokenLogProbability>? Top = null);

/// <summary>A whole reply.</summary>
/// <param name="Ids">Its tokens, a stop token included.</param>
/// <param name="Text">Its text.</param>
/// <param name="Finish">Why it ended.</param>
public sealed record GeneratedReply(IReadOnlyList<int> Ids, string Text, FinishReason Finish);
