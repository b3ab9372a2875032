using Cluster.Core.Errors;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Tokens;

namespace Cluster.Data.Corpus;

/// <summary>
/// A corpus that the pipeline built, with its tokenizer if it has one. Its folder alone means both; the folder of its shards means the texts
/// only, and a run then learns a vocabulary of its own.
/// </summary>
public sealed class BuiltCorpusSource : IDocumentSource
{
    private readonly CorpusFolder _folder;
    private readonly FolderSource _shards;

    private BuiltCorpusSource(CorpusFolder folder) => (_folder, _shards) = (folder, new FolderSource(folder.Shards));

    /// <inheritdoc/>
    public string Description => _shards.Description;

    /// <inheritdoc/>
    public long TotalBytes => _shards.TotalBytes;

    /// <summary>Where its tokenizer is, or null.</summary>
    public string? TokenizerPath => File.Exists(_folder.Tokenizer) ? _folder.Tokenizer : null;

    /// <summary>The corpus in a folder, or null if it holds none that is finished.</summary>
    public static BuiltCorpusSource? Find(string path)
    {
        var folder = new CorpusFolder(path);
        return File.Exists(folder.Summary) && File.Exists(folder.Plan) && Directory.Exists(folder.Shards) ? new BuiltCorpusSource(folder) : null;
    }

    /// <inheritdoc/>
    public SourceContent Read(int workers, CancellationToken cancellation = default) => _shards.Read(workers, cancellation);

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
