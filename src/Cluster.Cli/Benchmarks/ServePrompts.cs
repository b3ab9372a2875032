// Enters: a tokenizer, a client's number. Leaves: what that client asks, one request after the other. Does not know: HTTP, answers.
using Cluster.Core.Randomness;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Benchmarks;

/// <summary>A request of the serving benchmark.</summary>
/// <param name="Client">Who asks.</param>
/// <param name="Number">Which of his requests, from 0.</param>
/// <param name="Prompt">The text.</param>
/// <param name="MaxTokens">Most tokens of the reply.</param>
/// <param name="Temperature">0 in half of them.</param>
/// <param name="Seed">Decides the draws.</param>
internal sealed record ServeRequest(int Client, int Number, string Prompt, int MaxTokens, double Temperature, ulong Seed);

/// <summary>
/// Requests as functions of client and number: prompts of an eighth to five eighths of the context, of which one in four begins like its
/// siblings, and replies of up to 8 to 64 tokens.
/// </summary>
internal sealed class ServePrompts(ITokenizer tokenizer, int maxContext)
{
    private const ulong Seed = 200;
    private static readonly string[] s_words =
    [
        "the", "method", "returns", "a", "value", "of", "type", "that", "is", "not", "null", "and", "throws", "an", "exception", "when", "collection",
        "contains", "no", "elements", "for", "each", "item", "in", "list", "compares", "two", "strings", "with", "culture", "specified", "by", "parameter",
    ];

    public ServeRequest Of(int client, int number)
    {
        var random = new CounterRandom(Seed, RandomPurpose.Synthetic, ((ulong)client << 32) + (ulong)number);
        ulong drawn = 0;
        int Below(int bound) => (int)random.Below(drawn++, (ulong)bound);
        var length = maxContext / 8 + Below(Math.Max(1, maxContext / 2));
        var text = Below(4) == 0 ? "You answer questions about the class library in one sentence, and say so where you do not know. " : "";
        var ids = new List<int>();
        while (ids.Count < length)
        {
            for (var i = 0; i < 16; i++)
                text += s_words[Below(s_words.Length)] + (i == 15 ? ". " : " ");
            ids = [.. tokenizer.Encode(text)];
        }

        return new ServeRequest(client, number, tokenizer.Decode(ids[..length].ToArray()).TrimEnd('\uFFFD'), 8 + Below(57), Below(2) == 0 ? 0 : 0.8, (ulong)Below(1_000_000));
    }
}
