// The API's messages as OpenAI and vLLM name their fields (snake_case). What may have several types is a JsonElement.
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cluster.Web.Api.OpenAi;

/// <summary>Fields that completions and chats have in common; what is null takes its default.</summary>
internal abstract record SamplingFields
{
    public string? Model { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public int? N { get; init; }

    public int? MaxTokens { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int? TopK { get; init; }

    public double? MinP { get; init; }

    public double? RepetitionPenalty { get; init; }

    public double? PresencePenalty { get; init; }

    public double? FrequencyPenalty { get; init; }

    public Dictionary<string, double>? LogitBias { get; init; }

    /// <summary>A string or a list of them.</summary>
    public JsonElement Stop { get; init; }

    public List<int>? StopTokenIds { get; init; }

    public bool? IgnoreEos { get; init; }

    public long? Seed { get; init; }

    public JsonElement ResponseFormat { get; init; }
}

internal sealed record StreamOptions(bool? IncludeUsage);

internal sealed record ChatBody : SamplingFields
{
    public List<ChatBodyMessage>? Messages { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    public JsonElement Tools { get; init; }
}

/// <param name="Role">system, developer, user or assistant.</param>
/// <param name="Content">A string or a list of parts with text.</param>
internal sealed record ChatBodyMessage(string? Role, JsonElement Content);

internal sealed record CompletionBody : SamplingFields
{
    /// <summary>A string, a list of them, a list of ids or a list of such lists.</summary>
    public JsonElement Prompt { get; init; }

    public int? Logprobs { get; init; }

    public bool? Echo { get; init; }

    public string? Suffix { get; init; }

    public int? BestOf { get; init; }
}

internal sealed record EmbeddingsBody
{
    public string? Model { get; init; }

    /// <summary>A string, a list of them, a list of ids or a list of such lists.</summary>
    public JsonElement Input { get; init; }

    public string? EncodingFormat { get; init; }

    public int? Dimensions { get; init; }
}

/// <typeparam name="T">float[], or string where values are sent as base64.</typeparam>
internal sealed record EmbeddingList<T>(string Object, IReadOnlyList<EmbeddingEntry<T>> Data, string Model, EmbeddingUsage Usage);

internal sealed record EmbeddingEntry<T>(string Object, int Index, T Embedding);

internal sealed record EmbeddingUsage(int PromptTokens, int TotalTokens);

internal sealed record TokenizeBody
{
    public string? Model { get; init; }

    public string? Prompt { get; init; }

    public List<ChatBodyMessage>? Messages { get; init; }

    public bool? AddSpecialTokens { get; init; }
}

internal sealed record DetokenizeBody(string? Model, List<int>? Tokens);

internal sealed record TokenizeAnswer(int Count, int MaxModelLen, IReadOnlyList<int> Tokens);

internal sealed record DetokenizeAnswer(string Prompt);

internal sealed record ModelList(string Object, IReadOnlyList<ModelEntry> Data);

internal sealed record ModelEntry(string Id, string Object, long Created, string OwnedBy, int MaxModelLen);

internal sealed record UsageFields(int PromptTokens, int CompletionTokens, int TotalTokens);

internal sealed record ErrorBody(ErrorFields Error);

internal sealed record ErrorFields(string Message, string Type, string? Param, string? Code);

internal sealed record ChatAnswer(
    string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<ChatChoice> Choices, UsageFields Usage);

internal sealed record ChatChoice(int Index, ChatAnswerMessage Message, ChatLogprobs? Logprobs, string? FinishReason);

internal sealed record ChatAnswerMessage(string Role, string Content, string? Refusal);

internal sealed record ChatLogprobs(IReadOnlyList<ChatTokenLogprob> Content);

internal sealed record ChatTokenLogprob(string Token, double Logprob, IReadOnlyList<int> Bytes, IReadOnlyList<ChatTopLogprob> TopLogprobs);

internal sealed record ChatTopLogprob(string Token, double Logprob, IReadOnlyList<int> Bytes);

internal sealed record ChatChunk(
    string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<ChatChunkChoice> Choices,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] UsageFields? Usage);

internal sealed record ChatChunkChoice(int Index, ChatDelta Delta, ChatLogprobs? Logprobs, string? FinishReason);

internal sealed record ChatDelta(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Role,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Content);

internal sealed record CompletionAnswer(
    string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<CompletionChoice> Choices,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] UsageFields? Usage);

internal sealed record CompletionChoice(int Index, string Text, CompletionLogprobs? Logprobs, string? FinishReason);

internal sealed record CompletionLogprobs(
    IReadOnlyList<string> Tokens, IReadOnlyList<double> TokenLogprobs, IReadOnlyList<IReadOnlyDictionary<string, double>?> TopLogprobs, IReadOnlyList<int> TextOffset);

/// <summary>Reads and writes them without reflection. Unknown fields are passed over.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ChatBody))]
[JsonSerializable(typeof(CompletionBody))]
[JsonSerializable(typeof(EmbeddingsBody))]
[JsonSerializable(typeof(EmbeddingList<float[]>), TypeInfoPropertyName = "EmbeddingFloats")]
[JsonSerializable(typeof(EmbeddingList<string>), TypeInfoPropertyName = "EmbeddingTexts")]
[JsonSerializable(typeof(TokenizeBody))]
[JsonSerializable(typeof(DetokenizeBody))]
[JsonSerializable(typeof(TokenizeAnswer))]
[JsonSerializable(typeof(DetokenizeAnswer))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelEntry))]
[JsonSerializable(typeof(ChatAnswer))]
[JsonSerializable(typeof(ChatChunk))]
[JsonSerializable(typeof(CompletionAnswer))]
[JsonSerializable(typeof(ErrorBody))]
internal sealed partial class ApiJson : JsonSerializerContext;
