using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// A corpus in, a part of it of at most so many bytes out, its order kept. Which documents stay is decided by the hash of their ids,
/// not by their order, so that a small budget is a sample of the whole; a document that does not fit is passed over. If none fits,
/// the beginning of the first is taken.
/// </summary>
internal static class ByteBudget
{
    public const string OverBudget = "over_byte_budget";

    public static (List<Document> Documents, CorpusStage Stage) Apply(List<Document> documents, long maximum, ulong seed)
    {
        var chosen = new bool[documents.Count];
        long used = 0;
        foreach (var i in Enumerable.Range(0, documents.Count)
            .OrderBy(i => StableHash.Hash64(FormattableString.Invariant($"budget:{seed}:{documents[i].Id}"))).ThenBy(i => i))
        {
            var bytes = Encoding.UTF8.GetByteCount(documents[i].Text);
            if (used + bytes > maximum)
                continue;
            used += bytes;
            chosen[i] = true;
        }

        var kept = documents.Where((_, i) => chosen[i]).ToList();
        if (kept.Count == 0)
            kept.Add(documents[0] with { Text = Beginning(documents[0].Text, maximum) });
        var dropped = new DropCounts();
        dropped.Add(OverBudget, documents.Count - kept.Count);
        var stage = new CorpusStage(
            "budget", documents.Count, kept.Count, Curator.Bytes(documents), Curator.Bytes(kept), dropped.ToDictionary());
        return (kept, stage);
    }

    private static string Beginning(string text, long maximum)
    {
        var bytes = 0;
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > maximum)
                break;
            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }
}
