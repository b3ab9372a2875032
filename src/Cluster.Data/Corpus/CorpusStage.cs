namespace Cluster.Data.Corpus;

/// <summary>What one stage of the curation received, kept and dropped.</summary>
/// <param name="Name">The stage: "files", "members", "documents"…</param>
/// <param name="In">Items that entered.</param>
/// <param name="Out">Items that left. In − Out equals the sum of <paramref name="Dropped"/>.</param>
/// <param name="BytesIn">Bytes of the items that entered (UTF-8).</param>
/// <param name="BytesOut">Bytes of the items that left (UTF-8).</param>
/// <param name="Dropped">Number of items dropped by named reason, sorted by name.</param>
public sealed record CorpusStage(
    string Name, long In, long Out, long BytesIn, long BytesOut, IReadOnlyDictionary<string, long> Dropped);

/// <summary>Counts drops by reason. Not thread-safe: parallel stages count apart and add up in order.</summary>
internal sealed class DropCounts
{
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public void Add(string reason, long count = 1)
    {
        if (count > 0)
            _counts[reason] = _counts.GetValueOrDefault(reason) + count;
    }

    public void Add(DropCounts other)
    {
        foreach (var (reason, count) in other._counts)
            Add(reason, count);
    }

    /// <summary>"2 too_short, 1 not_utf8", for messages; empty if nothing was dropped.</summary>
    public override string ToString() => string.Join(", ", _counts.Select(pair => FormattableString.Invariant($"{pair.Value} {pair.Key}")));

    public IReadOnlyDictionary<string, long> ToDictionary() => new SortedDictionary<string, long>(_counts, StringComparer.Ordinal);
}
