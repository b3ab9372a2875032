using System.Runtime.CompilerServices;
using Cluster.Cli.Chat;
using Cluster.Data.Dialogues;

namespace Cluster.Cli.Tests.Chat;

/// <summary>Answers by a function of the turns so far.</summary>
internal sealed class FakeChatModel(Func<IReadOnlyList<ChatMessage>, IEnumerable<string>> reply) : IChatModel
{
    public List<string> Seen { get; } = [];

    public async IAsyncEnumerable<string> ReplyAsync(IReadOnlyList<ChatMessage> messages, [EnumeratorCancellation] CancellationToken ct)
    {
        Seen.Add(string.Join('|', messages.Select(message => $"{message.Role}:{message.Content}")));
        foreach (var piece in reply(messages))
        {
            await Task.Yield();
            yield return piece;
        }
    }
}
