// Enters: hash files of partitions. Leaves: decision files, and what they add up to. Does not know: texts.

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
/// smaller partition, index and unit. Hashes are cut into ranges, equal hashes being in one: a range is decided apart, by whoever, and
/// leaves a file; joining the files is the rest. Neither the number of ranges nor who decides them shows.
/// </summary>
public static class ExactResolver
{
    private const string RangeMagic = "CLRANGE1";

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
        using var scratch = new Scratch(resources.ScratchFolder);
        var files = Enumerable.Range(0, resources.Validate().Workers).Select(range => Path.Combine(scratch.Path, FormattableString.Invariant($"range-{range}"))).ToArray();
        return Scratch.Guard(() =>
        {
            var reports = new ExactReport[files.Length];
            Parallel.For(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = files.Length, CancellationToken = cancellation }, range =>
                reports[range] = Range(atHand, earlier, range, files.Length, files[range], resources, cancellation));
            return Join(atHand, earlier, files, reports, decisionFolder, resources);
        });
    }

    /// <summary>Decides one range of hashes.</summary>
    /// <param name="atHand">As for <see cref="Resolve"/>.</param>
    /// <param name="earlier">As for <see cref="Resolve"/>.</param>
    /// <param name="range">Which, from 0.</param>
    /// <param name="ranges">How many there are.</param>
    /// <param name="path">The file to write, for <see cref="Join"/>.</param>
    /// <param name="resources">Of all ranges that are decided at a time, as many as it has workers.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>What was found in the range.</returns>
    public static ExactReport Range(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, int range, int ranges, string path, ResolverResources resources,
        CancellationToken cancellation = default)
    {
        using var set = new PartitionSet(ExactHashWriter.Magic, atHand, earlier);
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var sorter = new RecordSorter<Unit>(scratch.Path, resources.MemoryBytes / 2 / resources.Workers);
            foreach (var source in set.Files)
            {
                cancellation.ThrowIfCancellationRequested();
                foreach (var row in PartitionFile.Read<UnitHash>(source.Handle, source.Path, source.Rows))
                {
                    if ((int)Math.BigMul(row.High, (ulong)ranges, out _) != range)
                        continue;
                    var key = new DocumentKey(source.Corpus, source.Partition, row.Index);
                    sorter.Add(new Unit(row.High, row.Low, DocumentRank.Of(key, row.Quality, row.Length), row.Unit));
                }
            }

            long groups = 0;
            var dropped = PartitionFile.Write(path, RangeMagic, range, Decisions(sorter.Sorted(), () => groups++, cancellation));
            return new ExactReport(sorter.Count, dropped, groups);
        });
    }

    /// <summary>Adds up the ranges.</summary>
    /// <param name="atHand">As for <see cref="Resolve"/>.</param>
    /// <param name="earlier">As for <see cref="Resolve"/>.</param>
    /// <param name="files">Of all ranges.</param>
    /// <param name="reports">What was found in them.</param>
    /// <param name="decisionFolder">Where decisions go.</param>
    /// <param name="resources">Memory and scratch folder.</param>
    public static ExactReport Join(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, IReadOnlyList<string> files, IReadOnlyList<ExactReport> reports,
        string decisionFolder, ResolverResources resources)
    {
        using var set = new PartitionSet(ExactHashWriter.Magic, atHand, earlier);
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var decisions = new RecordSorter<DecisionRecord>(scratch.Path, resources.MemoryBytes / 4);
            foreach (var decision in files.SelectMany(file => PartitionFile.Read<DecisionRecord>(file, RangeMagic)))
                decisions.Add(decision);
            DecisionWriter.Write(decisions.Sorted(), set.AtHand, decisionFolder);
            return new ExactReport(reports.Sum(report => report.Units), decisions.Count, reports.Sum(report => report.Groups));
        });
    }

    /// <summary>Of each run of equal hashes, what goes.</summary>
    private static IEnumerable<DecisionRecord> Decisions(IEnumerable<Unit> sorted, Action foundGroup, CancellationToken cancellation)
    {
        Unit first = default;
        var (any, counted) = (false, false);
        foreach (var unit in sorted)
        {
            if (!any || unit.High != first.High || unit.Low != first.Low)
            {
                (any, counted, first) = (true, false, unit);
                cancellation.ThrowIfCancellationRequested();
                continue;
            }

            if (!counted)
                foundGroup();
            counted = true;
            if (!unit.Rank.IsAtHand)
                continue;
            var (key, kept) = (unit.Rank.Key, first.Rank.Key);
            yield return new DecisionRecord(key.Partition, key.Index, (int)unit.Number, kept.Corpus, kept.Partition, kept.Index, (int)first.Number, 1);
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
