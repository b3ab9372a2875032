using Cluster.Contracts.Inference;
using Microsoft.AspNetCore.Http;

namespace Cluster.Web.Api.OpenAi;

/// <summary>How replies look in an answer, whole or as a stream.</summary>
internal abstract class AnswerForm
{
    /// <summary>Writes whole replies.</summary>
    /// <param name="context">Of the answer.</param>
    /// <param name="replies">By number.</param>
    /// <param name="usage">Of all of them.</param>
    public abstract Task WriteAsync(HttpContext context, IReadOnlyDictionary<int, WholeReply> replies, UsageFields usage);

    /// <summary>Sends what happened to a reply; nothing where there is nothing to show yet.</summary>
    public abstract Task SendAsync(ServerSentEvents events, ReplyEvent happened, CancellationToken cancellation);

    /// <summary>Sends how many tokens it was.</summary>
    public abstract Task SendUsageAsync(ServerSentEvents events, UsageFields usage, CancellationToken cancellation);
}

/// <summary>Replies as chat completions.</summary>
internal sealed class ChatForm(string id, string model, long created, string fingerprint, bool logprobs) : AnswerForm
{
    private const string Assistant = "assistant";
    private readonly HashSet<int> _begun = [];

    /// <inheritdoc/>
    public override Task WriteAsync(HttpContext context, IReadOnlyDictionary<int, WholeReply> replies, UsageFields usage)
    {
        var choices = replies.Select(reply => new ChatChoice(
            reply.Key, new ChatAnswerMessage(Assistant, reply.Value.Text, null),
            logprobs ? new ChatLogprobs(reply.Value.Pieces.Select(ReplyFields.Chat).ToArray()) : null, ReplyFields.Reason(reply.Value.Finish))).ToArray();
        var answer = new ChatAnswer(id, "chat.completion", created, model, fingerprint, choices, usage);
        return context.Response.WriteAsJsonAsync(answer, ApiJson.Default.ChatAnswer, cancellationToken: context.RequestAborted);
    }

    /// <inheritdoc/>
    public override async Task SendAsync(ServerSentEvents events, ReplyEvent happened, CancellationToken cancellation)
    {
        if (_begun.Add(happened.Choice))
            await ChunkAsync(new ChatDelta(Assistant, ""), null, null);
        if (happened.Finish is { } finish)
            await ChunkAsync(new ChatDelta(null, null), null, ReplyFields.Reason(finish));
        else if (happened.Piece is { } piece && (piece.Text.Length > 0 || logprobs))
            await ChunkAsync(new ChatDelta(null, piece.Text), logprobs ? new ChatLogprobs([ReplyFields.Chat(piece)]) : null, null);

        Task ChunkAsync(ChatDelta delta, ChatLogprobs? shown, string? reason) =>
            events.SendAsync(Chunk([new ChatChunkChoice(happened.Choice, delta, shown, reason)], null), ApiJson.Default.ChatChunk, cancellation);
    }

    /// <inheritdoc/>
    public override Task SendUsageAsync(ServerSentEvents events, UsageFields usage, CancellationToken cancellation) =>
        events.SendAsync(Chunk([], usage), ApiJson.Default.ChatChunk, cancellation);

    private ChatChunk Chunk(IReadOnlyList<ChatChunkChoice> choices, UsageFields? usage) =>
        new(id, "chat.completion.chunk", created, model, fingerprint, choices, usage);
}

/// <summary>Replies as text completions.</summary>
internal sealed class CompletionForm(string id, string model, long created, string fingerprint, bool logprobs) : AnswerForm
{
    private readonly Dictionary<int, int> _offsets = [];

    /// <inheritdoc/>
    public override Task WriteAsync(HttpContext context, IReadOnlyDictionary<int, WholeReply> replies, UsageFields usage)
    {
        var choices = replies.Select(reply => new CompletionChoice(
            reply.Key, reply.Value.Text, logprobs ? ReplyFields.Completion(reply.Value.Pieces, 0) : null, ReplyFields.Reason(reply.Value.Finish))).ToArray();
        return context.Response.WriteAsJsonAsync(Answer(choices, usage), ApiJson.Default.CompletionAnswer, cancellationToken: context.RequestAborted);
    }

    /// <inheritdoc/>
    public override async Task SendAsync(ServerSentEvents events, ReplyEvent happened, CancellationToken cancellation)
    {
        CompletionChoice choice;
        if (happened.Piece is { } piece)
        {
            if (piece.Text.Length == 0 && !logprobs)
                return;
            var offset = _offsets.GetValueOrDefault(happened.Choice);
            _offsets[happened.Choice] = offset + piece.Text.Length;
            choice = new CompletionChoice(happened.Choice, piece.Text, logprobs ? ReplyFields.Completion([piece], offset) : null, null);
        }
        else
        {
            choice = new CompletionChoice(happened.Choice, "", null, ReplyFields.Reason(happened.Finish));
        }

        await events.SendAsync(Answer([choice], null), ApiJson.Default.CompletionAnswer, cancellation);
    }

    /// <inheritdoc/>
    public override Task SendUsageAsync(ServerSentEvents events, UsageFields usage, CancellationToken cancellation) =>
        events.SendAsync(Answer([], usage), ApiJson.Default.CompletionAnswer, cancellation);

    private CompletionAnswer Answer(IReadOnlyList<CompletionChoice> choices, UsageFields? usage) =>
        new(id, "text_completion", created, model, fingerprint, choices, usage);
}
