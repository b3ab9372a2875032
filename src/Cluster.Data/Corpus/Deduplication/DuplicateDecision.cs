// Enters: decisions in order. Leaves: one file per partition, and the decisions again. Does not know: how they were made.

using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>One document, or one paragraph or line of it, that goes because a copy stays.</summary>
/// <param name="Index">The document's position in its partition.</param>
/// <param name="Unit">Which paragraph or line, from 0; 0 for a whole document.</param>
/// <param name="Kept">The document that keeps the text.</param>
/// <param name="KeptUnit">Which paragraph or line of it; 0 for a whole document.</param>
/// <param name="Similarity">1 for equal texts, else the estimated Jaccard similarity, or the cosine of vectors.</param>
public readonly record struct DuplicateDecision(int Index, int Unit, DocumentKey Kept, int KeptUnit, float Similarity);

/// <summary>A decision as it is sorted and stored: by partition, index and unit, which together are unique.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DecisionRecord(
    int Partition, int Index, int Unit, int KeptCorpus, int KeptPartition, int KeptIndex, int KeptUnit, float Similarity)
    : IComparable<DecisionRecord>
{
    public int CompareTo(DecisionRecord other) =>
        Partition != other.Partition ? Partition.CompareTo(other.Partition)
        : Index != other.Index ? Index.CompareTo(other.Index)
        : Unit.CompareTo(other.Unit);
}

/// <summary>Writes sorted decisions, a file for each partition of the corpus at hand, also for those that lose nothing.</summary>
internal static class DecisionWriter
{
    public const string Magic = "CLDECID1";

    /// <param name="decisions">Ascending.</param>
    /// <param name="partitions">Partitions of the corpus at hand, ascending.</param>
    /// <param name="folder">Where the files go.</param>
    public static void Write(IEnumerable<DecisionRecord> decisions, IEnumerable<int> partitions, string folder)
    {
        using var rest = decisions.GetEnumerator();
        var more = rest.MoveNext();
        foreach (var partition in partitions)
        {
            PartitionFile.Write(DecisionReader.PathOf(folder, partition), Magic, partition, Of(partition));
        }

        IEnumerable<DecisionRecord> Of(int partition)
        {
            for (; more && rest.Current.Partition == partition; more = rest.MoveNext())
                yield return rest.Current;
        }
    }
}

/// <summary>
/// The decisions on one partition, ascending by index, then by unit. Streams; asked document by document in ascending order.
/// </summary>
public sealed class DecisionReader : IDisposable
{
    private readonly IEnumerator<DuplicateDecision> _rest;
    private bool _more;

    /// <param name="path">A file that a resolver wrote.</param>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">It is missing or damaged.</exception>
    public DecisionReader(string path)
    {
        _rest = Read(path).GetEnumerator();
        _more = _rest.MoveNext();
    }

    /// <summary>The file of a partition in a resolver's folder.</summary>
    public static string PathOf(string folder, int partition) =>
        Path.Combine(folder, FormattableString.Invariant($"{partition:D8}.decisions"));

    /// <summary>All decisions of a file, in order.</summary>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">It is missing or damaged.</exception>
    public static IEnumerable<DuplicateDecision> Read(string path) => PartitionFile.Read<DecisionRecord>(path, DecisionWriter.Magic).Select(record =>
        new DuplicateDecision(
            record.Index, record.Unit, new DocumentKey(record.KeptCorpus, record.KeptPartition, record.KeptIndex), record.KeptUnit, record.Similarity));

    /// <summary>The decisions on document <paramref name="index"/>: empty if all of it stays. Indices may be left out, but never go back.</summary>
    public IReadOnlyList<DuplicateDecision> Of(int index)
    {
        while (_more && _rest.Current.Index < index)
            _more = _rest.MoveNext();
        var found = new List<DuplicateDecision>();
        for (; _more && _rest.Current.Index == index; _more = _rest.MoveNext())
            found.Add(_rest.Current);
        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => _rest.Dispose();
}
