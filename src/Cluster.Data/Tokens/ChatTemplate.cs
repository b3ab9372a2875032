// Enters: the turns of a conversation. Leaves: ids, and which of them a model learns to say. Does not know: rows, models.

using Cluster.Core.Errors;
using Cluster.Data.Dialogues;

namespace Cluster.Data.Tokens;

/// <summary>A conversation as tokens. <paramref name="Mask"/>[i] is 1 if token i is to be learnt as an output, else 0.</summary>
public sealed record RenderedChat(int[] Ids, byte[] Mask);

/// <summary>
/// <c>&lt;|begin_of_text|&gt;&lt;|system|&gt;…&lt;|user|&gt;…&lt;|assistant|&gt;…&lt;|endoftext|&gt;</c>; the system's turn may be
/// missing, user's and assistant's turns alternate, and each assistant's turn closes with <c>&lt;|endoftext|&gt;</c>. Texts never
/// become special tokens, whatever they spell.
/// </summary>
public sealed class ChatTemplate(ITokenizer tokenizer)
{
    /// <summary>A whole conversation, which ends with the assistant's turn. The mask is 1 on the assistant's text and on the token that closes it.</summary>
    /// <exception cref="UserErrorException">The turns do not alternate as they should.</exception>
    public RenderedChat Render(IReadOnlyList<ChatMessage> messages)
    {
        Validate(messages, ChatRole.Assistant);
        var ids = new List<int>();
        var mask = new List<byte>();
        Append(messages, ids, mask);
        return new RenderedChat([.. ids], [.. mask]);
    }

    /// <summary>A conversation up to a user's turn and the token that opens the assistant's: what a model goes on from.</summary>
    /// <exception cref="UserErrorException">The turns do not alternate as they should.</exception>
    public int[] RenderPrompt(IReadOnlyList<ChatMessage> messages)
    {
        Validate(messages, ChatRole.User);
        var ids = new List<int>();
        Append(messages, ids, []);
        ids.Add(tokenizer.Special.Assistant);
        return [.. ids];
    }

    private void Append(IReadOnlyList<ChatMessage> messages, List<int> ids, List<byte> mask)
    {
        var special = tokenizer.Special;
        ids.Add(special.BeginOfText);
        foreach (var message in messages)
        {
            ids.Add(message.Role switch
            {
                ChatRole.System => special.System,
                ChatRole.User => special.User,
                _ => special.Assistant,
            });
            Fill(0);
            tokenizer.Encode(message.Content, ids);
            if (message.Role == ChatRole.Assistant)
                ids.Add(special.EndOfText);
            Fill(message.Role == ChatRole.Assistant ? (byte)1 : (byte)0);
        }

        void Fill(byte value)
        {
            while (mask.Count < ids.Count)
                mask.Add(value);
        }
    }

    private static void Validate(IReadOnlyList<ChatMessage> messages, ChatRole last)
    {
        var first = messages.Count > 0 && messages[0].Role == ChatRole.System ? 1 : 0;
        for (var i = first; i < messages.Count; i++)
        {
            var expected = (i - first) % 2 == 0 ? ChatRole.User : ChatRole.Assistant;
            if (messages[i].Role != expected)
                throw new UserErrorException(
                    FormattableString.Invariant($"Message {i} of the conversation is the {messages[i].Role}'s, not the {expected}'s."),
                    "Begin with at most one system message, then alternate user and assistant.");
        }

        if (messages.Count == first || messages[^1].Role != last)
            throw new UserErrorException(
                FormattableString.Invariant($"The conversation of {messages.Count} messages does not end with one of the {last}."),
                $"End it with the {last}'s message.");
    }
}
