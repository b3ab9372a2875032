namespace Cluster.Data.Corpus.Sources;

/// <summary>
/// Where texts come from. Reading has two halves. What the network, a model or another program gives is fetched once, into a folder, with
/// its digests: from there on everything is a function of files, which any worker reads in any order. A folder of this machine is its own
/// snapshot.
/// </summary>
public interface ICorpusSource
{
    /// <summary>What is read, as one phrase for plans and reports.</summary>
    string Description { get; }

    /// <summary>Brings the source's files onto this machine. Called once for a corpus; a call after an interruption goes on where it can.</summary>
    /// <param name="folder">An own folder; what is fetched goes into it.</param>
    /// <param name="cancellation">Ends it early; what was fetched stays for the next call.</param>
    /// <exception cref="Core.Errors.UserErrorException">There is nothing to read, or a program or path that is needed is missing.</exception>
    Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default);
}

/// <summary>The files of a source.</summary>
/// <param name="Root">Folder that paths are relative to.</param>
/// <param name="Files">In ordinal order of their paths.</param>
/// <param name="Failures">What could not be had: a download, a page, a folder without permission.</param>
public sealed record SourceSnapshot(string Root, IReadOnlyList<SourceFile> Files, IReadOnlyList<ReadFailure> Failures)
{
    /// <summary>Files and pages that were passed over on purpose, by reason: no failures.</summary>
    public IReadOnlyDictionary<string, long> PassedOver { get; init; } = new SortedDictionary<string, long>(StringComparer.Ordinal);
}

/// <summary>A file, or a range of one.</summary>
/// <param name="Path">Relative to the snapshot's root, with '/'.</param>
/// <param name="Bytes">Of the file or range.</param>
public sealed record SourceFile(string Path, long Bytes)
{
    /// <summary>First byte of the range: records that begin at or after it belong to it.</summary>
    public long Start { get; init; }

    /// <summary>The byte after the range, null for the file's end: records that begin before it belong to the range.</summary>
    public long? End { get; init; }

    /// <summary>Where the file was fetched from.</summary>
    public string? Url { get; init; }

    /// <summary>Licence of this file where it has its own.</summary>
    public string? License { get; init; }

    /// <summary>SHA-256 of a fetched file, lower-case hex.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>Something that was to be read and could not be.</summary>
/// <param name="Id">File, record or address.</param>
/// <param name="Reason">In snake_case: "corrupt_gzip".</param>
/// <param name="Detail">One sentence for people.</param>
/// <param name="Bytes">Bytes of input that are lost with it, as far as known.</param>
public sealed record ReadFailure(string Id, string Reason, string Detail, long Bytes);

/// <summary>What reading a file yields, one after another: a document, a failure, or a record that was passed over.</summary>
public readonly record struct SourceItem
{
    private SourceItem(Document? document, ReadFailure? failure, DropReason? drop) =>
        (Document, Failure, Drop) = (document, failure, drop);

    /// <summary>The document; of one that was passed over, with its text.</summary>
    public Document? Document { get; }

    /// <summary>What could not be read.</summary>
    public ReadFailure? Failure { get; }

    /// <summary>Why the document was passed over.</summary>
    public DropReason? Drop { get; }

    /// <summary>A document to judge.</summary>
    public static SourceItem Of(Document document) => new(document, null, null);

    /// <summary>Something lost.</summary>
    public static SourceItem Failed(string id, string reason, string detail, long bytes) => new(null, new ReadFailure(id, reason, detail, bytes), null);

    /// <summary>A document that the source's own rules leave out: its licence, for one.</summary>
    public static SourceItem PassedOver(Document document, DropReason reason) => new(document, null, reason);
}
