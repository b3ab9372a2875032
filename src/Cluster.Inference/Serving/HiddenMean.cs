// Enters: a backend, ids of a text. Leaves: the mean of what the model makes of them. Does not know: tokenizers, requests, who asks.
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Serving;

/// <summary>
/// The mean of tokens' hidden states, as they come out of the final norm: a text's embedding, before it is scaled. Added up token by token
/// in order, in double, so that it depends on the tokens only, to the last bit: not on how they were cut into calls.
/// </summary>
/// <param name="width">The model's.</param>
public sealed class HiddenMean(int width)
{
    private readonly double[] _sum = new double[width];
    private long _tokens;

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        Array.Clear(_sum);
        _tokens = 0;
    }

    /// <summary>Appends tokens to a sequence and adds what the model makes of them.</summary>
    /// <param name="backend">The model.</param>
    /// <param name="sequence">A sequence of it, empty or of tokens that were added before.</param>
    /// <param name="ids">Any number.</param>
    public void Add(IDecodeBackend backend, DecodeSequence sequence, ReadOnlySpan<int> ids)
    {
        while (!ids.IsEmpty)
        {
            var count = Math.Min(ids.Length, backend.PrefillChunk - sequence.Length % backend.PrefillChunk);
            var rows = backend.Hidden(sequence, ids[..count]);
            for (var at = 0; at < rows.Length; at += _sum.Length)
            {
                for (var c = 0; c < _sum.Length; c++)
                    _sum[c] += rows[at + c];
            }

            _tokens += count;
            ids = ids[count..];
        }
    }

    /// <summary>[width]; at least one token was added.</summary>
    public float[] Value() => Array.ConvertAll(_sum, value => (float)(value / _tokens));
}
