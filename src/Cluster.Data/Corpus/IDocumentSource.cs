using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Corpus;

/// <summary>Raw text as found on this machine. Knows nothing of curation, splits or tokens.</summary>
public interface IDocumentSource
{
    /// <summary>What is read, as one phrase for plans and reports: "reference documentation in /usr/share/dotnet/packs".</summary>
    string Description { get; }

    /// <summary>Bytes of the files that <see cref="Read"/> will read.</summary>
    long TotalBytes { get; }

    /// <summary>Reads everything. The result is the same for any number of <paramref name="workers"/>.</summary>
    /// <param name="workers">Number of files read at a time, at least 1.</param>
    /// <param name="cancellation">Ends the reading early with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="Core.Errors.UserErrorException">There is nothing to read, or it cannot be read.</exception>
    SourceContent Read(int workers, CancellationToken cancellation = default);
}

/// <summary>What a source read.</summary>
/// <param name="Documents">In a stable order, identifiers unique.</param>
/// <param name="Types">The structured reference documentation behind the documents, empty for plain text.</param>
/// <param name="Statistics">Counts.</param>
public sealed record SourceContent(IReadOnlyList<Document> Documents, IReadOnlyList<ReferenceType> Types, SourceStatistics Statistics)
{
    /// <summary>Whether a pipeline has judged, compared and mixed the documents already: they are then taken as they are, repeats included.</summary>
    public bool Curated { get; init; }
}

/// <summary>What a source met while reading.</summary>
/// <param name="Files">Files read.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="InvalidUtf8Sequences">Ill-formed byte sequences, each replaced by U+FFFD.</param>
/// <param name="Stages">What was kept and dropped on the way to documents, with reasons.</param>
/// <param name="Warnings">Things a user should know, one sentence each.</param>
public sealed record SourceStatistics(
    int Files, long Bytes, long InvalidUtf8Sequences, IReadOnlyList<CorpusStage> Stages, IReadOnlyList<string> Warnings);
