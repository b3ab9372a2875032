using Cluster.Data.Corpus;

namespace Cluster.Silo.Reports;

/// <summary>What can be told from a corpus's source, which is one phrase by <see cref="IDocumentSource.Description"/>.</summary>
internal static class CorpusFacts
{
    private const string ReferencePrefix = ".NET reference documentation in ";
    private const string FolderPrefix = "text in ";

    /// <summary>Whether the text is the SDK's reference documentation.</summary>
    public static bool IsDotnetReference(CorpusReport corpus) => corpus.Source.StartsWith(ReferencePrefix, StringComparison.Ordinal);

    /// <summary>What <c>--corpus</c> was given, or null where it was the SDK's documentation or cannot be told.</summary>
    public static string? CorpusPath(CorpusReport corpus) =>
        corpus.Source.StartsWith(FolderPrefix, StringComparison.Ordinal) ? corpus.Source[FolderPrefix.Length..] : null;

    /// <summary>What may be said of the texts' licence.</summary>
    public static string Licence(CorpusReport? corpus) => corpus is not null && IsDotnetReference(corpus)
        ? "The .NET reference documentation is Microsoft's and comes under the licence terms of the .NET SDK that it was read from; its "
            + "public source, the repository dotnet/dotnet-api-docs on GitHub, is offered under CC BY 4.0."
        : "The texts' own licences apply; this run knows nothing of them.";
}
