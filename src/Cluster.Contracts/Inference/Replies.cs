using Orleans;

namespace Cluster.Contracts.Inference;

/// <summary>How a worker took a request.</summary>
/// <param name="State">What comes of it.</param>
/// <param name="Replies">Names of the replies under way, one for each choice asked for; empty unless accepted.</param>
/// <param name="PromptTokens">Tokens of the prompt as the model sees it.</param>
/// <param name="Weights">SHA-256 of the weights that answer.</param>
/// <param name="Refusal">Why it was refused, else null.</param>
[GenerateSerializer, Immutable]
public sealed record SubmitAnswer(
    [property: Id(0)] SubmitState State, [property: Id(1)] IReadOnlyList<string> Replies, [property: Id(2)] int PromptTokens,
    [property: Id(3)] string? Weights, [property: Id(4)] Refusal? Refusal);

/// <summary>What comes of a request.</summary>
public enum SubmitState
{
    /// <summary>Replies are under way.</summary>
    Accepted,

    /// <summary>The model is being loaded: ask again.</summary>
    Loading,

    /// <summary>There will be no reply here.</summary>
    Refused,
}

/// <summary>Why a request has no reply.</summary>
/// <param name="Kind">Whose fault, and what helps.</param>
/// <param name="Field">The field of the request that is wrong, by its name in the API; null if none is.</param>
/// <param name="Message">For the one who asked: field, value and range, and what to do.</param>
[GenerateSerializer, Immutable]
public sealed record Refusal([property: Id(0)] RefusalKind Kind, [property: Id(1)] string? Field, [property: Id(2)] string Message);

/// <summary>What kind of refusal.</summary>
public enum RefusalKind
{
    /// <summary>The request is not as it must be; asked again it will not be either.</summary>
    BadRequest,

    /// <summary>The prompt leaves no room in the model's context.</summary>
    PromptTooLong,

    /// <summary>There is no such model.</summary>
    UnknownModel,

    /// <summary>Too many requests wait: later, or another worker.</summary>
    QueueFull,

    /// <summary>The worker cannot answer now: another worker, or later.</summary>
    Unavailable,

    /// <summary>The weights that a reply was begun with are gone for good.</summary>
    WeightsGone,

    /// <summary>No worker could go on with the reply.</summary>
    Failed,

    /// <summary>The time that the request was given is over.</summary>
    Deadline,
}

/// <summary>A stretch of a reply.</summary>
/// <param name="State">Whether more comes after it.</param>
/// <param name="Pieces">From the place asked for on.</param>
/// <param name="Finish">Why the reply ended; set when the stretch reaches the end.</param>
[GenerateSerializer, Immutable]
public sealed record ReplyStretch(
    [property: Id(0)] ReplyState State, [property: Id(1)] IReadOnlyList<ReplyPiece> Pieces, [property: Id(2)] ReplyFinish? Finish);

/// <summary>Where a reply is.</summary>
public enum ReplyState
{
    /// <summary>More comes.</summary>
    Running,

    /// <summary>The stretch reaches its end.</summary>
    Ended,

    /// <summary>The worker does not have it, or cannot go on with it: submit it with the ids so far to another worker.</summary>
    Lost,
}

/// <summary>Why a reply ended.</summary>
public enum ReplyFinish
{
    /// <summary>A stop token or a stop string.</summary>
    Stop,

    /// <summary>As many tokens as were allowed, or as the context holds.</summary>
    Length,

    /// <summary>The time that the request was given is over.</summary>
    Deadline,
}

/// <summary>One token of a reply.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">The text that became certain with it; all pieces together are the reply.</param>
/// <param name="LogProbability">Natural logarithm of its probability under the model itself.</param>
/// <param name="Token">Its bytes, if log-probabilities were asked for.</param>
/// <param name="Top">The most probable tokens in its place, the first one first; null if none were asked for.</param>
[GenerateSerializer, Immutable]
public sealed record ReplyPiece(
    [property: Id(0)] int Id, [property: Id(1)] string Text, [property: Id(2)] float LogProbability, [property: Id(3)] byte[]? Token,
    [property: Id(4)] IReadOnlyList<TokenAlternative>? Top);

/// <summary>A token that might have been.</summary>
/// <param name="Id">The token.</param>
/// <param name="Bytes">What it stands for.</param>
/// <param name="LogProbability">Natural logarithm of its probability under the model itself.</param>
[GenerateSerializer, Immutable]
public sealed record TokenAlternative([property: Id(0)] int Id, [property: Id(1)] byte[] Bytes, [property: Id(2)] float LogProbability);
