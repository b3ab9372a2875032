using Cluster.Core.Errors;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Tokens;

namespace Cluster.Data.Corpus;

/// <summary>
/// A corpus that the pipeline built, with its tokenizer if it has one. Its folder means the corpus as its recipe made it: documents as often as
/// the mix takes them, with the quality that they were given and what their sources say about them. The folder of its shards means their texts
/// only, as of any folder: a run then judges them anew, drops what stands there twice, and learns a vocabulary of its own.
/// </summary>
public sealed class BuiltCorpusSource : IDocumentSource
{
    private readonly CorpusFolder _folder;
    private readonly string[] _shards;

    private BuiltCorpusSource(CorpusFolder folder, CorpusSummary summary) =>
        (_folder, Summary, _shards) = (folder, summary, [.. Enumerable.Range(0, summary.Partitions).Select(folder.Shard)]);

    /// <inheritdoc/>
    public string Description => $"the corpus in {_folder.Root}";

    /// <inheritdoc/>
    public long TotalBytes => _shards.Sum(path => new FileInfo(path) is { Exists: true } file ? file.Length : 0);

    /// <summary>Its figures.</summary>
    public CorpusSummary Summary { get; }

    /// <summary>Its folder.</summary>
    public CorpusFolder Folder => _folder;

    /// <summary>Where its tokenizer is, or null.</summary>
    public string? TokenizerPath => File.Exists(_folder.Tokenizer) ? _folder.Tokenizer : null;

    /// <summary>The corpus in a folder, or null if it holds none that is finished.</summary>
    public static BuiltCorpusSource? Find(string path)
    {
        var folder = new CorpusFolder(path);
        return File.Exists(folder.Plan) && Directory.Exists(folder.Shards) && CorpusSummary.Load(folder) is { } summary ? new BuiltCorpusSource(folder, summary) : null;
    }

    /// <inheritdoc/>
    public SourceContent Read(int workers, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        var parts = new List<Document>[_shards.Length];
        try
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
            Parallel.For(0, parts.Length, parallel, i => parts[i] = [.. CorpusShard.Read(_shards[i])]);
        }
        catch (AggregateException errors) when (errors.InnerExceptions.OfType<UserErrorException>().FirstOrDefault() is { } error)
        {
            throw error;
        }

        var documents = parts.SelectMany(part => part).ToList();
        if (documents.Count == 0)
            throw new UserErrorException($"The corpus {_folder.Root} holds no document.", "Look at its report.html for what dropped them.");
        var bytes = Curator.Bytes(documents);
        var records = new CorpusStage("records", documents.Count, documents.Count, bytes, bytes, new Dictionary<string, long>(StringComparer.Ordinal));
        return new SourceContent(documents, [], new SourceStatistics(parts.Length, bytes, 0, [records], [])) { Curated = true };
    }

    /// <summary>The corpus' tokenizer for a run that asks for a byte-pair vocabulary of a size; null if the corpus has none.</summary>
    /// <exception cref="UserErrorException">It has one of another size, or a damaged one.</exception>
    public ITokenizer? Tokenizer(int vocabulary)
    {
        if (TokenizerPath is not { } path)
            return null;
        var tokenizer = TokenizerFile.Load(path);
        return tokenizer.VocabularySize == vocabulary
            ? tokenizer
            : throw new UserErrorException(
                $"The corpus' tokenizer {path} has {tokenizer.VocabularySize} ids, and the recipe asks for {vocabulary}.",
                $"Set tokenizer.vocabulary={tokenizer.VocabularySize}, or give {_folder.Shards} as the corpus: the run then learns its own.");
    }
}
