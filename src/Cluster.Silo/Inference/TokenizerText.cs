using Cluster.Data.Tokens;
using Cluster.Inference.Generation;

namespace Cluster.Silo.Inference;

/// <summary>A tokenizer as generation sees it: special tokens have no text.</summary>
internal sealed class TokenizerText(ITokenizer tokenizer) : ITokenText
{
    /// <inheritdoc/>
    public int Count => tokenizer.VocabularySize;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Bytes(int id) => tokenizer.Special.Contains(id) ? [] : tokenizer.TokenBytes(id);
}
