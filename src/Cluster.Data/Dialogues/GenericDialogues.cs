using Cluster.Core.Randomness;
using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Dialogues out of any text, so that fine-tuning works without reference documentation. Each paragraph gives at most one: the user
/// gives its first sentence ("Continue: …"), the assistant goes on with the next ones. A paragraph of one sentence, such as a line of a
/// play, is continued by the paragraph after it. The first paragraph under a Markdown heading also answers a question about the
/// heading. Answers are whole sentences, or as many words as fit where a sentence is too long. What a model learns from these is the
/// form of a dialogue and the text's own style, not to answer questions of fact.
/// </summary>
public static class GenericDialogues
{
    private const int LongestPrompt = 300;
    private const int FewestWords = 16;

    /// <summary>The dialogues of one part's documents, in order, duplicates removed.</summary>
    public static IReadOnlyList<Conversation> Build(
        IReadOnlyList<Document> documents, SplitPart part, CorpusOptions options, CancellationToken cancellation = default)
    {
        var drafts = new List<Conversation>[documents.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation };
        Parallel.For(0, documents.Count, parallel, i => drafts[i] = Of(documents[i], part, options));
        var seen = new HashSet<UInt128>();
        return [.. drafts.SelectMany(list => list)
            .Where(conversation => seen.Add(StableHash.Hash128(conversation.Question + "\n" + conversation.Answer)))];
    }

    private static List<Conversation> Of(Document document, SplitPart part, CorpusOptions options)
    {
        var conversations = new List<Conversation>();
        var paragraphs = document.Text.Split("\n\n", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string? heading = null;
        for (var i = 0; i < paragraphs.Length; i++)
        {
            var paragraph = paragraphs[i];
            var random = new CounterRandom(options.Seed, RandomPurpose.Dialogue, StableHash.Hash64($"{document.Id}\n{i}"));
            if (paragraph[0] == '#')
            {
                var line = paragraph.IndexOf('\n', StringComparison.Ordinal);
                heading = (line < 0 ? paragraph : paragraph[..line]).TrimStart('#').Trim();
                if (line < 0)
                    continue;
                paragraph = paragraph[(line + 1)..].Trim();
            }

            if (heading is { Length: > 0 } && Answer(paragraph, options) is { } about)
                Add("heading", ConversationKind.Heading, Phrasings.Heading, heading, about);
            heading = null;
            var following = i + 1 < paragraphs.Length && paragraphs[i + 1][0] != '#' ? paragraphs[i + 1] : null;
            var (prompt, rest) = Divide(paragraph, following);
            if (prompt.Length is > 0 and <= LongestPrompt && Answer(rest, options) is { } next)
                Add("continue", ConversationKind.Continuation, Phrasings.Continue, prompt, next);

            void Add(string what, ConversationKind kind, string[] phrasings, string thing, string answer)
            {
                var phrasing = phrasings[(int)random.Below((ulong)kind, (ulong)phrasings.Length)];
                conversations.Add(new Conversation(
                    FormattableString.Invariant($"{document.Id}:{what}:{i}"), document.Group, part, kind,
                    [
                        new ChatMessage(ChatRole.User, phrasing.Replace("{0}", thing, StringComparison.Ordinal)),
                        new ChatMessage(ChatRole.Assistant, answer),
                    ]));
            }
        }

        return conversations;
    }

    private static (string Prompt, string Text) Divide(string paragraph, string? next)
    {
        var sentences = Sentences.Of(paragraph);
        if (sentences.Count > 1)
            return (sentences[0], paragraph[(paragraph.IndexOf(sentences[0], StringComparison.Ordinal) + sentences[0].Length)..].Trim());
        if (next is not null && paragraph.Length <= LongestPrompt)
            return (paragraph, next);
        // No sentence ends here at all: the first words ask, the others answer.
        var words = paragraph.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var half = Math.Min(words.Length / 2, FewestWords);
        return words.Length < FewestWords ? ("", "") : (string.Join(' ', words[..half]), string.Join(' ', words[half..]));
    }

    private static string? Answer(string text, CorpusOptions options)
    {
        if (text.Length == 0)
            return null;
        var answer = Sentences.First(text, options.MaximumAnswerCharacters);
        if (answer is null)
        {
            var end = text.LastIndexOf(' ', options.MaximumAnswerCharacters - 1);
            answer = end > 0 ? text[..end] : null;
        }

        return answer is not null && answer.Length >= options.MinimumAnswerCharacters ? answer : null;
    }
}
