using Orleans;

namespace Cluster.Contracts.Inference;

/// <summary>What is to become vectors. Texts or tokens are given; asked again under the same id it is the same request.</summary>
[GenerateSerializer, Immutable]
public sealed record EmbeddingRequest
{
    /// <summary>The caller's own, unique.</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>Texts; the token that opens a document is put before each.</summary>
    [Id(1)]
    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>Texts as ids, as they are.</summary>
    [Id(2)]
    public IReadOnlyList<IReadOnlyList<int>>? Tokens { get; init; }

    /// <summary>So many of a vector's first values are kept; null for all of them, the model's width.</summary>
    [Id(3)]
    public int? Dimensions { get; init; }

    /// <summary>Most time; the worker's own limit if null.</summary>
    [Id(4)]
    public TimeSpan? Timeout { get; init; }
}

/// <summary>What came of it.</summary>
/// <param name="State">Whether it is done.</param>
/// <param name="Vectors">One for each text, in their order, of length 1; empty unless done.</param>
/// <param name="PromptTokens">Tokens of all texts.</param>
/// <param name="Refusal">Why there are none, if it was refused.</param>
[GenerateSerializer, Immutable]
public sealed record EmbeddingAnswer(
    [property: Id(0)] EmbeddingState State, [property: Id(1)] IReadOnlyList<float[]> Vectors, [property: Id(2)] int PromptTokens, [property: Id(3)] Refusal? Refusal);

/// <summary>How far it is.</summary>
public enum EmbeddingState
{
    /// <summary>Done.</summary>
    Done,

    /// <summary>Under way: ask again, the same worker.</summary>
    Running,

    /// <summary>The model is being loaded: ask again.</summary>
    Loading,

    /// <summary>There will be no vectors from here.</summary>
    Refused,
}
