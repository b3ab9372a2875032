using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Inference;

/// <summary>
/// The workers of one model: which of them a request goes to, how many there are, which weights they answer with. It passes on neither
/// prompts nor tokens. Key: the model's name, which is that of a run's folder below the runs' path.
/// </summary>
[Alias("Cluster.Inference.Pool")]
public interface IInferencePoolGrain : IGrainWithStringKey
{
    /// <summary>Chooses the worker for a request.</summary>
    /// <param name="prefix">Hashes of longer and longer beginnings of the prompt: <see cref="PromptPrefix"/>.</param>
    /// <param name="avoid">Workers that did not answer, or not well.</param>
    [Alias("Assign"), AlwaysInterleave]
    Task<Assignment> AssignAsync(IReadOnlyList<ulong> prefix, IReadOnlyList<string> avoid);

    /// <summary>What the model is; null if there is none of that name.</summary>
    [Alias("Describe"), AlwaysInterleave]
    Task<ModelDescription?> DescribeAsync();

    /// <summary>A checkpoint was published: workers look for it now rather than at the next interval.</summary>
    [Alias("Published"), AlwaysInterleave]
    Task PublishedAsync();

    /// <summary>The workers as the pool knows them.</summary>
    [Alias("GetWorkers"), AlwaysInterleave]
    Task<IReadOnlyList<PoolWorker>> GetWorkersAsync();

    /// <summary>What the workers are doing and have done, by their keys; those that do not answer within a second are left out.</summary>
    [Alias("GetFigures"), AlwaysInterleave]
    Task<IReadOnlyDictionary<string, WorkerFigures>> GetFiguresAsync();

    /// <summary>A text's or a conversation's ids, as the model would see them.</summary>
    [Alias("Tokenize"), AlwaysInterleave]
    Task<TokenAnswer> TokenizeAsync(TokenQuestion question);

    /// <summary>The text of ids, special tokens as their spelling.</summary>
    [Alias("Detokenize"), AlwaysInterleave]
    Task<TextAnswer> DetokenizeAsync(IReadOnlyList<int> ids);
}

/// <summary>The models that can be asked. One grain; its key is <see cref="Key"/>.</summary>
[Alias("Cluster.Inference.Models")]
public interface IModelIndexGrain : IGrainWithStringKey
{
    /// <summary>The key.</summary>
    const string Key = "models";

    /// <summary>All runs that have a checkpoint, by name.</summary>
    [Alias("List")]
    Task<IReadOnlyList<ModelDescription>> ListAsync();
}

/// <summary>Where a request goes.</summary>
/// <param name="Worker">Key of the worker; null if there is none now.</param>
/// <param name="Refusal">Why there is none.</param>
[GenerateSerializer, Immutable]
public sealed record Assignment([property: Id(0)] string? Worker, [property: Id(1)] Refusal? Refusal);

/// <summary>A model as its folder shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Created">When its newest checkpoint was written.</param>
/// <param name="Stage">The training stage that it comes from.</param>
/// <param name="Step">Steps of that stage.</param>
/// <param name="MaxContext">Most tokens of prompt and reply together.</param>
/// <param name="Weights">SHA-256 of the weights.</param>
[GenerateSerializer, Immutable]
public sealed record ModelDescription(
    [property: Id(0)] string Name, [property: Id(1)] DateTimeOffset Created, [property: Id(2)] string Stage, [property: Id(3)] long Step,
    [property: Id(4)] int MaxContext, [property: Id(5)] string Weights);

/// <summary>A worker of a pool.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Load">As it was last seen; null if it has not answered yet.</param>
[GenerateSerializer, Immutable]
public sealed record PoolWorker([property: Id(0)] string Key, [property: Id(1)] WorkerLoad? Load);

/// <summary>What is to become ids: a text or a conversation.</summary>
/// <param name="Text">A text, or null.</param>
/// <param name="Messages">A conversation, or null.</param>
/// <param name="AddSpecialTokens">Whether the token that opens a document is put before a text.</param>
[GenerateSerializer, Immutable]
public sealed record TokenQuestion(
    [property: Id(0)] string? Text, [property: Id(1)] IReadOnlyList<PromptMessage>? Messages, [property: Id(2)] bool AddSpecialTokens);

/// <summary>Ids.</summary>
/// <param name="Ids">The ids.</param>
/// <param name="MaxContext">Most tokens of prompt and reply together.</param>
/// <param name="Refusal">Why there are none.</param>
[GenerateSerializer, Immutable]
public sealed record TokenAnswer([property: Id(0)] IReadOnlyList<int> Ids, [property: Id(1)] int MaxContext, [property: Id(2)] Refusal? Refusal);

/// <summary>Text.</summary>
/// <param name="Text">The text.</param>
/// <param name="Refusal">Why there is none.</param>
[GenerateSerializer, Immutable]
public sealed record TextAnswer([property: Id(0)] string Text, [property: Id(1)] Refusal? Refusal);
