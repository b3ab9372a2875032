// Enters: bodies. Leaves: requests to the pool, or an error that names the field. Does not know: HTTP, grains. Ranges of numbers are the
// workers' to check; here is what only this side can see: types, shapes, and what the API has that the pool has not.
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Cluster.Contracts.Inference;

namespace Cluster.Web.Api.OpenAi;

/// <summary>A generation that a body asks for.</summary>
/// <param name="Request">To the pool.</param>
/// <param name="FirstIndex">Number of its first choice in the answer.</param>
internal sealed record AskedGeneration(GenerationRequest Request, int FirstIndex);

/// <summary>Translates bodies.</summary>
internal static class RequestMapping
{
    /// <summary>Most prompts of a request.</summary>
    public const int MostPrompts = 64;

    /// <summary>Most texts of a request for embeddings.</summary>
    public const int MostInputs = 2_048;

    private const int MostTopLogprobs = 20, DefaultCompletionTokens = 16;

    /// <summary>The request's own names of fields, where they differ from the pool's.</summary>
    public static IReadOnlyDictionary<string, string> Names(SamplingFields body) => body switch
    {
        ChatBody { MaxCompletionTokens: not null } => new Dictionary<string, string>(StringComparer.Ordinal) { ["max_tokens"] = "max_completion_tokens" },
        CompletionBody => new Dictionary<string, string>(StringComparer.Ordinal) { ["top_logprobs"] = "logprobs" },
        _ => new Dictionary<string, string>(StringComparer.Ordinal),
    };

    /// <summary>The model's name.</summary>
    /// <exception cref="ApiError">There is none.</exception>
    public static string Model(string? model) =>
        string.IsNullOrEmpty(model) ? throw ApiError.Bad("model", "model is missing. GET /v1/models lists those that there are.") : model;

    /// <summary>The generation that a chat asks for.</summary>
    /// <exception cref="ApiError">A field is of no use.</exception>
    public static AskedGeneration Of(ChatBody body, string id)
    {
        if (body.Tools is { ValueKind: JsonValueKind.Array } tools && tools.GetArrayLength() > 0)
            throw ApiError.Bad("tools", "tools are not supported. Leave them out.");
        if (body is { TopLogprobs: > 0, Logprobs: not true })
            throw ApiError.Bad("top_logprobs", "top_logprobs is given without logprobs. Give logprobs as true too.");
        if (body is { MaxTokens: { } one, MaxCompletionTokens: { } other } && one != other)
            throw ApiError.Bad("max_tokens", FormattableString.Invariant($"max_tokens is {one} and max_completion_tokens {other}. Give one of them."));
        var settings = Settings(body, body.MaxCompletionTokens ?? body.MaxTokens) with
        {
            LogProbabilities = body.Logprobs ?? false,
            TopLogProbabilities = body.TopLogprobs ?? 0,
        };
        return new AskedGeneration(new GenerationRequest { Id = id, Messages = Messages(body.Messages), Settings = settings }, 0);
    }

    /// <summary>The generations that a completion asks for, one for each prompt.</summary>
    /// <exception cref="ApiError">A field is of no use.</exception>
    public static IReadOnlyList<AskedGeneration> Of(CompletionBody body, string id)
    {
        if (body.Echo == true)
            throw ApiError.Bad("echo", "echo is true, which is not supported. Leave it out.");
        if (!string.IsNullOrEmpty(body.Suffix))
            throw ApiError.Bad("suffix", "suffix is not supported. Leave it out.");
        if (body.BestOf is { } best && best != (body.N ?? 1))
            throw ApiError.Bad("best_of", FormattableString.Invariant($"best_of is {best}. Leave it out: as many replies are written as n says."));
        if (body.Logprobs is < 0 or > MostTopLogprobs)
            throw ApiError.Bad("logprobs", FormattableString.Invariant($"logprobs is {body.Logprobs}. Give a whole number from 0 to {MostTopLogprobs}."));
        var settings = Settings(body, body.MaxTokens ?? DefaultCompletionTokens) with
        {
            LogProbabilities = body.Logprobs is not null,
            TopLogProbabilities = body.Logprobs ?? 0,
        };
        var prompts = Prompts(body.Prompt, "prompt", MostPrompts);
        return [.. prompts.Select((prompt, i) => new AskedGeneration(
            new GenerationRequest { Id = prompts.Count == 1 ? id : FormattableString.Invariant($"{id}-{i}"), Text = prompt.Text, Tokens = prompt.Tokens, Settings = settings },
            i * settings.Choices))];
    }

    /// <summary>What embeddings are asked for.</summary>
    /// <exception cref="ApiError">A field is of no use.</exception>
    public static EmbeddingRequest Of(EmbeddingsBody body, string id)
    {
        if (body.EncodingFormat is not (null or "float" or "base64"))
            throw ApiError.Bad("encoding_format", $"encoding_format is \"{Short(body.EncodingFormat)}\". Give float or base64.");
        var inputs = Prompts(body.Input, "input", MostInputs);
        if (inputs.Exists(input => input.Text is null) && inputs.Exists(input => input.Tokens is null))
            throw ApiError.Bad("input", "input is a list of strings and lists of token ids. Give one kind of them.");
        return new EmbeddingRequest
        {
            Id = id,
            Texts = inputs[0].Text is null ? null : inputs.Select(input => input.Text!).ToArray(),
            Tokens = inputs[0].Tokens is null ? null : inputs.Select(IReadOnlyList<int> (input) => input.Tokens!).ToArray(),
            Dimensions = body.Dimensions,
        };
    }

    /// <summary>A conversation.</summary>
    /// <exception cref="ApiError">A message is of no use.</exception>
    public static IReadOnlyList<PromptMessage> Messages(List<ChatBodyMessage>? messages)
    {
        if (messages is not { Count: > 0 })
            throw ApiError.Bad("messages", $"messages is {(messages is null ? "missing" : "an empty list")}. Give at least one message.");
        return messages.Select((message, i) =>
        {
            var field = FormattableString.Invariant($"messages[{i}]");
            if (message is null)
                throw ApiError.Bad(field, $"{field} is null. Give an object with role and content.");
            var role = message.Role switch
            {
                "system" or "developer" => PromptRole.System,
                "user" => PromptRole.User,
                "assistant" => PromptRole.Assistant,
                var other => throw ApiError.Bad($"{field}.role", $"{field}.role is {(other is null ? "missing" : $"\"{Short(other)}\"")}. Give system, user or assistant."),
            };
            return new PromptMessage(role, Content(message.Content, $"{field}.content"));
        }).ToArray();
    }

    private static GenerationSettings Settings(SamplingFields body, int? maxTokens)
    {
        if (body.N is < 1)
            throw ApiError.Bad("n", FormattableString.Invariant($"n is {body.N}. Give at least 1."));
        return new GenerationSettings
        {
            MaxTokens = maxTokens,
            Temperature = body.Temperature,
            TopP = body.TopP,
            // vLLM says all tokens as −1.
            TopK = body.TopK == -1 ? 0 : body.TopK,
            MinP = body.MinP,
            RepetitionPenalty = body.RepetitionPenalty,
            PresencePenalty = body.PresencePenalty,
            FrequencyPenalty = body.FrequencyPenalty,
            LogitBias = Biases(body.LogitBias),
            Choices = body.N ?? 1,
            Stop = Strings(body.Stop, "stop"),
            StopTokens = body.StopTokenIds?.ToArray() ?? [],
            IgnoreEndOfText = body.IgnoreEos ?? false,
            Schema = Schema(body.ResponseFormat),
            // Kept with the request, so that a reply that goes on elsewhere draws what it would have drawn.
            Seed = body.Seed is { } seed ? unchecked((ulong)seed) : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
        };
    }

    /// <summary>The schema that response_format asks for; what it may hold is the worker's to check.</summary>
    private static string? Schema(JsonElement format)
    {
        const string anyObject = """{"type":"object"}""", expected = "Give an object whose type is text, json_object or json_schema.";
        if (format.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
            return null;
        if (format.ValueKind != JsonValueKind.Object || !format.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
            throw ApiError.Bad("response_format", $"response_format is {BodyReader.Kind(format)} without a type. {expected}");
        switch (BodyReader.TextOf(type, "response_format.type"))
        {
            case "text":
                return null;
            case "json_object":
                return anyObject;
            case "json_schema":
                return format.TryGetProperty("json_schema", out var named) && named.ValueKind == JsonValueKind.Object && named.TryGetProperty("schema", out var schema)
                    ? schema.GetRawText()
                    : throw ApiError.Bad("response_format.json_schema", "response_format.json_schema has no schema. Give an object with name and schema.");
            case var other:
                throw ApiError.Bad("response_format.type", $"response_format.type is \"{Short(other)}\". {expected}");
        }
    }

    private static Dictionary<int, double>? Biases(Dictionary<string, double>? given) => given?.ToDictionary(
        pair => int.TryParse(pair.Key, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw ApiError.Bad("logit_bias", $"logit_bias has the key \"{Short(pair.Key)}\". Give token ids as keys."),
        pair => pair.Value);

    private static string[] Strings(JsonElement value, string field) => value.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => [],
        JsonValueKind.String => [BodyReader.TextOf(value, field)],
        JsonValueKind.Array when value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            [.. value.EnumerateArray().Select(item => BodyReader.TextOf(item, field))],
        _ => throw ApiError.Bad(field, $"{field} is {BodyReader.Kind(value)}{(value.ValueKind == JsonValueKind.Array ? " with other things than strings" : "")}. Give a string or a list of strings."),
    };

    private static string Content(JsonElement value, string field)
    {
        if (value.ValueKind == JsonValueKind.String)
            return BodyReader.TextOf(value, field);
        if (value.ValueKind == JsonValueKind.Array)
        {
            return string.Concat(value.EnumerateArray().Select(part =>
                part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
                    ? BodyReader.TextOf(text, field)
                    : throw ApiError.Bad(field, $"{field} has a part that is no text. Give parts of the type text only.")));
        }

        throw ApiError.Bad(field, $"{field} is {BodyReader.Kind(value)}. Give a string.");
    }

    private static List<(string? Text, int[]? Tokens)> Prompts(JsonElement value, string field, int most)
    {
        const string expected = "Give a string, a list of strings, a list of token ids or a list of such lists.";
        if (value.ValueKind == JsonValueKind.String)
            return [(BodyReader.TextOf(value, field), null)];
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
            throw ApiError.Bad(field, $"{field} is {(value.ValueKind == JsonValueKind.Array ? "an empty list" : BodyReader.Kind(value))}. {expected}");
        if (value[0].ValueKind == JsonValueKind.Number)
            return [(null, Ids(value, field))];
        if (value.GetArrayLength() > most)
            throw ApiError.Bad(field, FormattableString.Invariant($"{field} is a list of {value.GetArrayLength()} texts. Give at most {most}."));
        return [.. value.EnumerateArray().Select((string?, int[]?) (item) => item.ValueKind switch
        {
            JsonValueKind.String => (BodyReader.TextOf(item, field), null),
            JsonValueKind.Array => (null, Ids(item, field)),
            _ => throw ApiError.Bad(field, $"{field} is a list with {BodyReader.Kind(item)}. {expected}"),
        })];
    }

    private static int[] Ids(JsonElement list, string field) => [.. list.EnumerateArray().Select((item, i) => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id)
        ? id
        : throw ApiError.Bad(field, FormattableString.Invariant($"{field} holds {BodyReader.Kind(item)} at place {i}. Give token ids.")))];

    private static string Short(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
