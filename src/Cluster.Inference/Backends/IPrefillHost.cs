using Cluster.Inference.Cache;

namespace Cluster.Inference.Backends;

/// <summary>
/// A backend whose prompts another program may compute, with products of its own: both ends of the model, and the keys and values
/// between. What it gives and takes is fp32, however it is stored; rows of keys and values are [tokens, kvHeads · headSize], keys rotated
/// where the model rotates them. Rows are treated alike, so a row's bits do not depend on how many there are.
/// One thread at a time; a returned span is valid until the next call.
/// </summary>
public interface IPrefillHost : IDecodeBackend
{
    /// <summary>Where the residual stream begins: embedding and position of tokens that follow each other.</summary>
    /// <param name="ids">Ids in [0, vocabulary).</param>
    /// <param name="position">Place of the first in its sequence.</param>
    /// <param name="x">Receives [ids, width].</param>
    void Embed(scoped ReadOnlySpan<int> ids, int position, Span<float> x);

    /// <summary>Puts keys and values of one layer into the cache. The sequence has room for them; it does not grow by this.</summary>
    /// <param name="sequence">A sequence of this backend.</param>
    /// <param name="layer">From 0.</param>
    /// <param name="position">Place of the first token.</param>
    /// <param name="keys">Rows of keys.</param>
    /// <param name="values">As many rows of values.</param>
    void WriteKeysAndValues(DecodeSequence sequence, int layer, int position, ReadOnlySpan<float> keys, ReadOnlySpan<float> values);

    /// <summary>The keys and values of a sequence's first tokens as decode sees them.</summary>
    /// <param name="sequence">A sequence of this backend.</param>
    /// <param name="layer">From 0.</param>
    /// <param name="keys">Receives rows of keys, as many as it has room for.</param>
    /// <param name="values">Receives as many rows of values.</param>
    void ReadKeysAndValues(DecodeSequence sequence, int layer, Span<float> keys, Span<float> values);

    /// <summary>The head's logits.</summary>
    /// <param name="hidden">[rows, width], out of the final norm; at most <see cref="IDecodeBackend.PrefillChunk"/> rows.</param>
    /// <returns>[rows, vocabulary].</returns>
    ReadOnlySpan<float> Logits(ReadOnlySpan<float> hidden);
}
