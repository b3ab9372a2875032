using Cluster.Core.Randomness;
using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Dialogues for text that holds no questions: the person gives a paragraph, the assistant continues with the next one. Documents in,
/// conversations out, in the documents' order.
/// </summary>
public static class GenericDialogues
{
    /// <summary>Most conversations; of more, evenly spaced ones are kept.</summary>
    public const int Most = 50_000;

    private static readonly string[] Phrasings =
    [
        "Continue this text: {0}", "How does this go on? {0}", "What comes next? {0}", "Write the next paragraph: {0}", "Please continue: {0}",
    ];

    /// <summary>Makes the conversations.</summary>
    public static IReadOnlyList<Conversation> Create(IEnumerable<Document> documents, ulong seed)
    {
        var all = new List<Conversation>();
        foreach (var document in documents)
        {
            var random = new CounterRandom(seed, RandomPurpose.Dialogue, StableHash.Of64(document.Id));
            var paragraphs = Paragraphs(document.Text);
            for (var i = 1; i < paragraphs.Count; i++)
            {
                if (AnswerText.Bound(paragraphs[i - 1]) is not { } given || AnswerText.Bound(paragraphs[i]) is not { } next)
                    continue;
                var phrasing = Phrasings[random.Below((ulong)i, (ulong)Phrasings.Length)];
                all.Add(Conversation.Of(phrasing.Replace("{0}", given, StringComparison.Ordinal), next, document.Group));
            }
        }

        return all.Count <= Most ? all : [.. Enumerable.Range(0, Most).Select(i => all[(int)((long)i * all.Count / Most)])];
    }

    /// <summary>Between blank lines; in a text without any, its lines.</summary>
    private static List<string> Paragraphs(string text)
    {
        const StringSplitOptions Options = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        var paragraphs = text.Split("\n\n", Options);
        return [.. paragraphs.Length > 1 ? paragraphs : text.Split('\n', Options)];
    }
}
