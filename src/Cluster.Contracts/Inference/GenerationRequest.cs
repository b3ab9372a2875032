using Orleans;

namespace Cluster.Contracts.Inference;

/// <summary>What is asked of a model. One of messages, text and tokens is given; asked again under the same id it is the same request.</summary>
[GenerateSerializer, Immutable]
public sealed record GenerationRequest
{
    /// <summary>The caller's own, unique. A worker that has the request already answers with the replies under way.</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>A conversation that the model answers. Its oldest turns are left out where it does not fit into the context.</summary>
    [Id(1)]
    public IReadOnlyList<PromptMessage>? Messages { get; init; }

    /// <summary>A text that the model goes on with; the token that opens a document is put before it.</summary>
    [Id(2)]
    public string? Text { get; init; }

    /// <summary>Ids that the model goes on with as they are.</summary>
    [Id(3)]
    public IReadOnlyList<int>? Tokens { get; init; }

    /// <summary>How replies are drawn and when they end.</summary>
    [Id(4)]
    public GenerationSettings Settings { get; init; } = new();

    /// <summary>Which stream of random numbers: requests of equal prompt, settings, stream and weights have equal replies.</summary>
    [Id(5)]
    public ulong Stream { get; init; }

    /// <summary>The one reply of <see cref="GenerationSettings.Choices"/> that is wanted, from 0; all if null. For a reply that goes on.</summary>
    [Id(6)]
    public int? Choice { get; init; }

    /// <summary>The ids of that reply so far: it goes on with the very tokens that it would have had where it was begun.</summary>
    [Id(7)]
    public IReadOnlyList<int> Emitted { get; init; } = [];

    /// <summary>SHA-256 of the weights that must answer, for a reply that goes on; the newest if null.</summary>
    [Id(8)]
    public string? Weights { get; init; }

    /// <summary>Most time until the last token; the worker's own limit if null.</summary>
    [Id(9)]
    public TimeSpan? Timeout { get; init; }
}

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What is said; it never becomes a special token, whatever it spells.</param>
[GenerateSerializer, Immutable]
public sealed record PromptMessage([property: Id(0)] PromptRole Role, [property: Id(1)] string Content);

/// <summary>Who speaks.</summary>
public enum PromptRole
{
    /// <summary>Instructions to the assistant; the first message only.</summary>
    System,

    /// <summary>The person who asks.</summary>
    User,

    /// <summary>The model.</summary>
    Assistant,
}

/// <summary>
/// How replies are drawn and when they end, under the names of OpenAI's API and, where that has none, of vLLM's. What is null takes the
/// worker's default. Ranges are the worker's to check: a value outside is answered with a <see cref="Refusal"/> that names field and range.
/// </summary>
[GenerateSerializer, Immutable]
public sealed record GenerationSettings
{
    /// <summary>max_tokens: most tokens of a reply; null for as many as the context leaves.</summary>
    [Id(0)]
    public int? MaxTokens { get; init; }

    /// <summary>temperature: 0 takes the most probable token.</summary>
    [Id(1)]
    public double? Temperature { get; init; }

    /// <summary>top_p: above 0 and at most 1.</summary>
    [Id(2)]
    public double? TopP { get; init; }

    /// <summary>top_k: 0 for all tokens.</summary>
    [Id(3)]
    public int? TopK { get; init; }

    /// <summary>min_p: 0–1.</summary>
    [Id(4)]
    public double? MinP { get; init; }

    /// <summary>repetition_penalty: 1 for none.</summary>
    [Id(5)]
    public double? RepetitionPenalty { get; init; }

    /// <summary>presence_penalty: −2 to 2.</summary>
    [Id(6)]
    public double? PresencePenalty { get; init; }

    /// <summary>frequency_penalty: −2 to 2.</summary>
    [Id(7)]
    public double? FrequencyPenalty { get; init; }

    /// <summary>logit_bias: id to what is added to its logit, −100 to 100.</summary>
    [Id(8)]
    public IReadOnlyDictionary<int, double>? LogitBias { get; init; }

    /// <summary>Whether tokens come with their bytes and log-probabilities.</summary>
    [Id(9)]
    public bool LogProbabilities { get; init; }

    /// <summary>top_logprobs: so many alternatives to each token, 0–20.</summary>
    [Id(10)]
    public int TopLogProbabilities { get; init; }

    /// <summary>n: replies to the prompt.</summary>
    [Id(11)]
    public int Choices { get; init; } = 1;

    /// <summary>stop: strings that end a reply and are not part of it.</summary>
    [Id(12)]
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>stop_token_ids: ids that end a reply.</summary>
    [Id(13)]
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>ignore_eos: whether the token that ends a document or a turn ends the reply no more than others do.</summary>
    [Id(14)]
    public bool IgnoreEndOfText { get; init; }

    /// <summary>seed: decides every draw, together with the stream and the place of the token.</summary>
    [Id(15)]
    public ulong Seed { get; init; }

    /// <summary>response_format: the JSON Schema that a reply must fit, null for none.</summary>
    [Id(16)]
    public string? Schema { get; init; }
}
