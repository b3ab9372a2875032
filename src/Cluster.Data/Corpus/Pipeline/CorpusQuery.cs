using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>Questions to the provenance of a finished corpus. Streams; memory for the answer.</summary>
public static class CorpusQuery
{
    /// <summary>What became of a document.</summary>
    /// <param name="folder">A finished corpus.</param>
    /// <param name="id">Its id.</param>
    /// <exception cref="UserErrorException">The corpus is not finished, or never saw such a document.</exception>
    public static ProvenanceRow Why(CorpusFolder folder, string id)
    {
        var summary = CorpusSummary.Require(folder);
        for (var partition = 0; partition < summary.Partitions; partition++)
        {
            foreach (var row in ProvenanceFile.Read(folder.Provenance(partition)))
            {
                if (row.Id == id)
                    return row;
            }
        }

        throw new UserErrorException($"The corpus {folder.Root} never saw a document with the id \"{id}\".",
            "Give an id as `corpus sample` prints it: SOURCE/PATH, or SOURCE/PATH#OFFSET for a record.");
    }

    /// <summary>Some documents that a stage dropped: those whose ids have the smallest hashes, so that the choice is fair and always the same.</summary>
    /// <param name="folder">A finished corpus.</param>
    /// <param name="stage">The stage; null takes documents that were kept.</param>
    /// <param name="rule">One rule of it; null takes all.</param>
    /// <param name="count">How many, at least 1.</param>
    /// <exception cref="UserErrorException">The corpus is not finished, or has no such stage.</exception>
    public static IReadOnlyList<ProvenanceRow> Sample(CorpusFolder folder, string? stage, string? rule, int count)
    {
        var summary = CorpusSummary.Require(folder);
        if (stage is not null && summary.Statistics.Stages.TrueForAll(known => known.Name != stage))
        {
            throw new UserErrorException(
                $"The corpus {folder.Root} has no stage \"{stage}\".", $"Give one of {string.Join(", ", summary.Statistics.Stages.Select(known => known.Name))}.");
        }

        var best = new PriorityQueue<ProvenanceRow, ulong>(Comparer<ulong>.Create((a, b) => b.CompareTo(a)));
        for (var partition = 0; partition < summary.Partitions; partition++)
        {
            foreach (var row in ProvenanceFile.Read(folder.Provenance(partition)))
            {
                if (row.Stage != stage || (rule is not null && row.Rule != rule))
                    continue;
                best.Enqueue(row, StableHash.Hash64(row.Id));
                if (best.Count > count)
                    best.Dequeue();
            }
        }

        return [.. best.UnorderedItems.OrderBy(item => item.Priority).Select(item => item.Element)];
    }
}
