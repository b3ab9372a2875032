// Enters: hash files of partitions. Leaves: decision files, and what they add up to. Does not know: texts.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>What a resolver may use. None of it changes a decision.</summary>
public sealed record ResolverResources
{
    /// <summary>Bytes for buffers, 1 MiB or more; what doesn't fit goes to disk.</summary>
    public long MemoryBytes { get; init; } = 256L << 20;

    /// <summary>Threads, 1 or more.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Where files that outgrow memory go; null for the system's temporary folder.</summary>
    public string? ScratchFolder { get; init; }

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public ResolverResources Validate()
    {
        if (MemoryBytes < 1 << 20)
            throw new UserErrorException(FormattableString.Invariant($"memory_bytes is {MemoryBytes}."), "Give 1048576 or more.");
        if (Workers < 1)
            throw new UserErrorException(FormattableString.Invariant($"The number of workers is {Workers}."), "Give 1 or more.");
        return this;
    }
}

/// <summary>What exact de-duplication found.</summary>
/// <param name="Units">Documents, paragraphs or lines that were compared, earlier corpora included.</param>
/// <param name="Dropped">Those of the corpus at hand that go.</param>
/// <param name="Groups">Different texts that occur more than once.</param>
public sealed record ExactReport(long Units, long Dropped, long Groups);

/// <summary>
/// Finds equal units across all partitions: records of (hash, document, unit) are sorted outside of memory, and of each run of equal
/// hashes the first stays. First is: earlier corpora before the one at hand, then higher quality, then the longer document, then the
/// smaller partition, index and unit.
/// </summary>
public static class ExactResolver
{
    /// <summary>Decides for every partition at hand; a file each in <paramref name="decisionFolder"/>, see <see cref="DecisionReader.PathOf"/>.</summary>
    /// <param name="atHand">Files of <see cref="ExactHashWriter"/>, in any order.</param>
    /// <param name="earlier">Those of earlier corpora, of what was kept of them; the first corpus first. May be empty.</param>
    /// <param name="decisionFolder">Where decisions go.</param>
    /// <param name="resources">Memory, threads and scratch folder.</param>
    /// <param name="cancellation">Ends it early; decision files are whole or not there.</param>
    /// <exception cref="UserErrorException">Files are missing, damaged or made by different options, or the disk is full.</exception>
    public static ExactReport Resolve(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, string decisionFolder, ResolverResources resources,
        CancellationToken cancellation = default)
    {
        resources.Validate();
        using var set = new PartitionSet(ExactHashWriter.Magic, atHand, earlier);
        using var scratch = new Scratch(resources.ScratchFolder);
        return Scratch.Guard(() => Resolve(set, decisionFolder, resources, scratch.Path, cancellation));
    }

    private static ExactReport Resolve(
        PartitionSet set, string decisionFolder, ResolverResources resources, string scratch, CancellationToken cancellation)
    {
        using var decisions = new RecordSorter<DecisionRecord>(scratch, resources.MemoryBytes / 4);
        long units = 0, groups = 0;

        // A shard owns an equal share of the hashes' range and meets no other's.
        var shards = resources.Workers;
        Parallel.For(0, shards, new ParallelOptions { MaxDegreeOfParallelism = shards, CancellationToken = cancellation }, shard =>
        {
            using var sorter = new RecordSorter<Unit>(scratch, resources.MemoryBytes / 2 / shards);
            foreach (var source in set.Files)
                foreach (var row in Rows(source, cancellation))
                {
                    if ((int)Math.BigMul(row.High, (ulong)shards, out _) != shard)
                        continue;
                    var key = new DocumentKey(source.Corpus, source.Partition, row.Index);
                    sorter.Add(new Unit(row.High, row.Low, DocumentRank.Of(key, row.Quality, row.Length), row.Unit));
                }

            Interlocked.Add(ref units, sorter.Count);
            Unit first = default;
            var (any, counted) = (false, false);
            foreach (var unit in sorter.Sorted())
            {
                if (!any || unit.High != first.High || unit.Low != first.Low)
                {
                    (any, counted, first) = (true, false, unit);
                    cancellation.ThrowIfCancellationRequested();
                    continue;
                }

                if (!counted)
                    Interlocked.Increment(ref groups);
                counted = true;
                if (!unit.Rank.IsAtHand)
                    continue;
                var (key, kept) = (unit.Rank.Key, first.Rank.Key);
                lock (decisions)
                {
                    decisions.Add(new DecisionRecord(
                        key.Partition, key.Index, (int)unit.Number, kept.Corpus, kept.Partition, kept.Index, (int)first.Number, 1));
                }
            }
        });

        var dropped = decisions.Count;
        DecisionWriter.Write(decisions.Sorted(), set.AtHand, decisionFolder);
        return new ExactReport(units, dropped, groups);
    }

    private static IEnumerable<UnitHash> Rows(PartitionSet.Source source, CancellationToken cancellation)
    {
        if (RandomAccess.GetLength(source.Handle) != PartitionFile.HeaderBytes + source.Rows * Unsafe.SizeOf<UnitHash>())
            throw PartitionFile.Damaged(source.Path);
        var rows = new UnitHash[2048];
        for (long at = 0; at < source.Rows; at += rows.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = (int)Math.Min(rows.Length, source.Rows - at);
            PartitionFile.Read(
                source.Handle, source.Path, MemoryMarshal.AsBytes(rows.AsSpan(0, count)), PartitionFile.HeaderBytes + at * Unsafe.SizeOf<UnitHash>());
            for (var i = 0; i < count; i++)
                yield return rows[i];
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Unit(ulong High, ulong Low, DocumentRank Rank, long Number) : IComparable<Unit>
    {
        public int CompareTo(Unit other)
        {
            if (High != other.High)
                return High.CompareTo(other.High);
            if (Low != other.Low)
                return Low.CompareTo(other.Low);
            var rank = Rank.CompareTo(other.Rank);
            return rank != 0 ? rank : Number.CompareTo(other.Number);
        }
    }
}
