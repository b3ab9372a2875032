using Cluster.Data.Dialogues;

namespace Cluster.Cli.Chat;

/// <summary>A model that answers. It cuts the history to what it can hold.</summary>
public interface IChatModel
{
    /// <summary>The reply to a conversation, piece by piece as it is written.</summary>
    /// <param name="messages">The turns so far, the last one the user's.</param>
    /// <param name="ct">Ends the reply early.</param>
    IAsyncEnumerable<string> ReplyAsync(IReadOnlyList<ChatMessage> messages, CancellationToken ct);
}
