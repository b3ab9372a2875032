using Cluster.Core.Errors;
using Cluster.Data.Dialogues;
using Cluster.Data.Tokens;

namespace Cluster.Silo.Inference;

/// <summary>A conversation as the prompt of its next turn.</summary>
/// <param name="tokenizer">The model's.</param>
/// <param name="maxContext">Most tokens of prompt and reply together.</param>
public sealed class ChatPrompt(ITokenizer tokenizer, int maxContext)
{
    private readonly ChatTemplate _template = new(tokenizer);

    /// <summary>
    /// The ids that the assistant's turn goes on from. The oldest turns are left out where the conversation does not fit into the context
    /// together with the reply; half of the context is left for a long reply.
    /// </summary>
    /// <param name="messages">They end with the user's.</param>
    /// <param name="maxTokens">Most tokens of the reply.</param>
    /// <exception cref="UserErrorException">The turns do not alternate as they should.</exception>
    public int[] Render(IReadOnlyList<ChatMessage> messages, int maxTokens)
    {
        var room = maxContext - Math.Min(maxTokens, maxContext / 2);
        var turns = messages.ToList();
        var prompt = _template.RenderPrompt(turns);
        while (prompt.Length > room && turns.Count(m => m.Role == ChatRole.User) > 1)
        {
            var oldest = turns.FindIndex(m => m.Role == ChatRole.User);
            turns.RemoveRange(oldest, 2);
            prompt = _template.RenderPrompt(turns);
        }

        return prompt;
    }
}
