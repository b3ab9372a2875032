using System.Globalization;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>How the texts of a source's files are found and named.</summary>
/// <param name="Dataset">The source's name: the first part of every id.</param>
/// <param name="Defaults">What is said about each text unless a file or record says it itself.</param>
/// <param name="TextFields">Fields of a record that may hold its text, the first that is there counts.</param>
/// <param name="Limits">Sizes.</param>
internal sealed record FileReading(string Dataset, DocumentMetadata Defaults, IReadOnlyList<string> TextFields, ReadLimits Limits)
{
    /// <summary>The kinds of files that are read, for messages.</summary>
    public const string Accepted = ".txt, .md, .html, .xml, .jsonl and .parquet, each also with .gz or .zst";

    private static readonly HashSet<string> s_accepted = new([".txt", ".md", ".html", ".htm", ".xhtml", ".xml", ".jsonl", ".parquet"], StringComparer.OrdinalIgnoreCase);

    /// <summary>Endings read as plain text besides .txt: of program text, for a git repository.</summary>
    public IReadOnlyCollection<string> PlainEndings { get; init; } = [];

    /// <summary>Whether a file of that name is read.</summary>
    public bool Reads(string path)
    {
        var extension = Path.GetExtension(Compression.InnerName(path));
        return s_accepted.Contains(extension) || PlainEndings.Contains(extension, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Whether a file can be read by ranges of its bytes.</summary>
    public bool Splits(string path) => Path.GetExtension(path).Equals(".jsonl", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a file or a range of one. What cannot be read is an item of its own; what came before it stays.</summary>
    /// <param name="root">Folder of the source's files.</param>
    /// <param name="file">The file.</param>
    /// <param name="cancellation">Ends it early.</param>
    public IEnumerable<SourceItem> Read(string root, SourceFile file, CancellationToken cancellation)
    {
        var path = Path.Combine(root, file.Path);
        var id = Id(file, null);
        var items = Items(path, file, cancellation).GetEnumerator();
        try
        {
            while (true)
            {
                SourceItem item;
                try
                {
                    if (!items.MoveNext())
                        yield break;
                    item = items.Current;
                }
                catch (Exception error) when (Compression.Reason(error, file.Path) is not null)
                {
                    item = SourceItem.Failed(id, Compression.Reason(error, file.Path)!, $"{id}: {error.Message}", file.Bytes);
                }

                yield return item;
                if (item.Failure is { } failure && failure.Id == id)
                    yield break;
            }
        }
        finally
        {
            items.Dispose();
        }
    }

    /// <summary>The id of a whole file's text, or of the record that begins at a place.</summary>
    internal string Id(SourceFile file, long? offset) => offset is null
        ? $"{Dataset}/{file.Path}"
        : string.Create(CultureInfo.InvariantCulture, $"{Dataset}/{file.Path}#{offset}");

    internal DocumentMetadata Metadata(SourceFile file, string contentType) => Defaults with
    {
        Dataset = Dataset,
        Url = file.Url ?? Defaults.Url ?? file.Path,
        License = file.License ?? Defaults.License,
        ContentType = contentType,
    };

    private IEnumerable<SourceItem> Items(string path, SourceFile file, CancellationToken cancellation)
    {
        var extension = Path.GetExtension(Compression.InnerName(file.Path)).ToLowerInvariant();
        return extension switch
        {
            ".jsonl" => JsonLines.Read(this, path, file, cancellation),
            ".parquet" => ParquetRows.Read(this, path, file, cancellation),
            ".html" or ".htm" or ".xhtml" => WholeFile.Read(this, path, file, "text/html"),
            ".xml" => WholeFile.Read(this, path, file, "application/xml"),
            ".md" => TextPieces.Read(this, path, file, "text/markdown", cancellation),
            _ => TextPieces.Read(this, path, file, "text/plain", cancellation),
        };
    }
}
