// Enters: a request as it travels, a run's tokenizer. Leaves: what an engine is asked, or a refusal that names the field.
// Does not know: engines, grains.
using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Data.Dialogues;
using Cluster.Inference.Constraints;
using Cluster.Inference.Sampling;
using Cluster.Inference.Serving;

namespace Cluster.Silo.Inference;

/// <summary>Translates requests. Names of fields in refusals are those of the API.</summary>
internal static class ServedRequest
{
    private const int MostStopTokens = GenerationOptions.MaxStops - 1;

    // As GenerationOptions names them; a message that begins with one of these is about that field.
    private static readonly string[] s_fields =
    [
        "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "top_logprobs",
        "n", "logit_bias", "stop_tokens", "stop", "response_format",
    ];

    /// <summary>What the engine is asked.</summary>
    /// <exception cref="InferenceException">The request is not as it must be.</exception>
    public static InferenceRequest Of(GenerationRequest request, RunSource source)
    {
        var context = source.Recipe.Model.MaxContext;
        GenerationOptions options;
        try
        {
            options = Options(request.Settings, source, request.Settings.MaxTokens ?? context);
            options.Validate(source.Tokenizer.VocabularySize);
        }
        catch (UserErrorException error)
        {
            throw Refused(error);
        }

        var prompt = Prompt(request, source, options.MaxTokens);
        if (prompt.Length >= context)
        {
            throw new InferenceException(new Refusal(RefusalKind.PromptTooLong, request.Messages is null ? "prompt" : "messages",
                FormattableString.Invariant($"The prompt has {prompt.Length} tokens; the model's context holds {context}, reply included. Shorten it to at most {context - 1} tokens.")));
        }

        return new InferenceRequest
        {
            Prompt = prompt,
            Options = request.Choice is { } choice ? options.OfChoice(choice, request.Stream) : options,
            Stream = request.Stream,
            Emitted = request.Emitted,
            Timeout = request.Timeout,
        };
    }

    /// <summary>The ids of a conversation.</summary>
    /// <exception cref="InferenceException">Its turns do not alternate as they should.</exception>
    public static int[] Chat(IReadOnlyList<PromptMessage> messages, RunSource source, int maxTokens)
    {
        try
        {
            return source.Chat.Render([.. messages.Select(message => new ChatMessage(Role(message.Role), message.Content))], maxTokens);
        }
        catch (UserErrorException error)
        {
            throw Refused("messages", error.Message);
        }
    }

    /// <summary>Refuses ids that the tokenizer does not have.</summary>
    /// <exception cref="InferenceException">There is one.</exception>
    public static void CheckIds(IReadOnlyList<int> ids, RunSource source, string field)
    {
        var count = source.Tokenizer.VocabularySize;
        for (var i = 0; i < ids.Count; i++)
        {
            if (ids[i] < 0 || ids[i] >= count)
                throw Refused(field, FormattableString.Invariant($"{field} holds the token id {ids[i]} at place {i}. Give ids from 0 to {count - 1}."));
        }
    }

    /// <summary>A refusal of a value that was found wrong further down.</summary>
    public static InferenceException Refused(UserErrorException error)
    {
        var name = error.What.Split(' ')[0];
        var field = s_fields.Contains(name, StringComparer.Ordinal) ? name : null;
        return field == "stop_tokens"
            ? Refused("stop_token_ids", error.Message.Replace("stop_tokens", "stop_token_ids", StringComparison.Ordinal))
            : Refused(field, error.Message);
    }

    private static InferenceException Refused(string? field, string message) => new(new Refusal(RefusalKind.BadRequest, field, message));

    private static int[] Prompt(GenerationRequest request, RunSource source, int maxTokens)
    {
        if (request.Messages is { } messages)
            return Chat(messages, source, maxTokens);
        if (request.Tokens is not { } tokens)
            return [source.Tokenizer.Special.BeginOfText, .. source.Tokenizer.Encode(request.Text ?? "")];
        CheckIds(tokens, source, "prompt");
        return tokens.Count > 0 ? [.. tokens] : throw Refused("prompt", "prompt is a list without token ids. Give at least one.");
    }

    private static GenerationOptions Options(GenerationSettings asked, RunSource source, int maxTokens)
    {
        if (asked.StopTokens.Count > MostStopTokens)
            throw Refused("stop_token_ids", FormattableString.Invariant($"stop_token_ids is a list of {asked.StopTokens.Count} ids. Give at most {MostStopTokens}."));
        var d = new GenerationOptions();
        return new GenerationOptions
        {
            MaxTokens = maxTokens,
            Temperature = asked.Temperature ?? d.Temperature,
            TopK = asked.TopK ?? d.TopK,
            TopP = asked.TopP ?? d.TopP,
            MinP = asked.MinP ?? d.MinP,
            RepetitionPenalty = asked.RepetitionPenalty ?? d.RepetitionPenalty,
            PresencePenalty = asked.PresencePenalty ?? d.PresencePenalty,
            FrequencyPenalty = asked.FrequencyPenalty ?? d.FrequencyPenalty,
            LogitBias = asked.LogitBias ?? d.LogitBias,
            TopLogProbabilities = asked.TopLogProbabilities,
            Choices = asked.Choices,
            StopTokens = asked.IgnoreEndOfText ? asked.StopTokens : [.. asked.StopTokens, source.Tokenizer.Special.EndOfText],
            StopStrings = asked.Stop,
            Format = asked.Schema is { } schema ? ResponseFormat.JsonSchema(schema) : null,
            Seed = asked.Seed,
        };
    }

    private static ChatRole Role(PromptRole role) => role switch
    {
        PromptRole.System => ChatRole.System,
        PromptRole.User => ChatRole.User,
        _ => ChatRole.Assistant,
    };
}
