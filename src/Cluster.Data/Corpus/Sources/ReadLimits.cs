using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Sources;

/// <summary>How much of a file is held in memory at a time, and how much work a partition is. Part of the result: ids and cuts follow them.</summary>
public sealed record ReadLimits
{
    /// <summary>The defaults.</summary>
    public static ReadLimits Default { get; } = new();

    /// <summary>
    /// Most bytes of one document of a text file, 64 B to 512 MiB; a longer .txt or .md is cut at empty lines into pieces of at most this.
    /// A longer .html or .xml, which cannot be cut, is a failure.
    /// </summary>
    public int MaximumDocumentBytes { get; init; } = 16 << 20;

    /// <summary>Most bytes of one line of a .jsonl, or of a text file without any line end in it, 64 B to 512 MiB; a longer one is a failure.</summary>
    public int MaximumLineBytes { get; init; } = 16 << 20;

    /// <summary>Bytes of files that make one partition, 1 KiB to 1 GiB; longer .jsonl files are split into ranges of it.</summary>
    public long PartitionBytes { get; init; } = 8 << 20;

    /// <summary>Most files of one partition, 1 to 1,000,000.</summary>
    public int PartitionFiles { get; init; } = 4_096;

    internal void Validate()
    {
        Check("maximum_document_bytes", MaximumDocumentBytes, 64, 512 << 20);
        Check("maximum_line_bytes", MaximumLineBytes, 64, 512 << 20);
        Check("partition_bytes", PartitionBytes, 1 << 10, 1 << 30);
        Check("partition_files", PartitionFiles, 1, 1_000_000);

        static void Check(string field, long value, long low, long high)
        {
            if (value < low || value > high)
                throw new UserErrorException($"limits.{field} is {value}.", $"Give a whole number from {low} to {high}.");
        }
    }
}
