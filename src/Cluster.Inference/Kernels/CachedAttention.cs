// Causal attention of one query row against cached keys and values. Enters: a row's q, k and v as the projections wrote them, its
// position, the blocks of its sequence. Leaves: the row's key and value in the cache, and o. The order of every sum follows from the
// position alone. Does not know: layers, sequences, batches, how keys and values are stored.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

internal sealed unsafe class CachedAttention : IDisposable
{
    /// <summary>Tokens of one block.</summary>
    public const int BlockTokens = KeyValueFormat.BlockTokens;

    private const int Lanes = 16;
    private readonly KeyValueFormat _cache;
    private readonly int _heads, _kvHeads, _headSize, _padded;
    private readonly float _scale;
    private readonly float* _scratch, _query, _output, _scores;

    /// <param name="cache">How keys and values are stored.</param>
    /// <param name="heads">Query heads, a multiple of the key and value heads.</param>
    /// <param name="maxTokens">Longest sequence.</param>
    public CachedAttention(KeyValueFormat cache, int heads, int maxTokens)
    {
        (_cache, _heads, _kvHeads, _headSize, _padded) = (cache, heads, cache.KvHeads, cache.HeadSize, cache.PaddedHeadSize);
        _scale = 1f / MathF.Sqrt(_headSize);
        var scores = (maxTokens + Lanes - 1) / Lanes * Lanes;
        _scratch = (float*)NativeMemory.AlignedAlloc((nuint)(2 * _padded + scores) * sizeof(float), 64);
        NativeMemory.Clear(_scratch, (nuint)(2 * _padded + scores) * sizeof(float));
        _query = _scratch;
        _output = _query + _padded;
        _scores = _output + _padded;
    }

    /// <summary>Puts the key and value of token <paramref name="position"/> into its block, then o = softmax(q·kᵀ/√hd)·v over all tokens up to it.</summary>
    /// <param name="qkv">(heads + 2 · kvHeads) · hd values.</param>
    /// <param name="bias">Added to qkv, or null.</param>
    /// <param name="cosines">hd / 2 cosines of the position's angles, or null for no rotation.</param>
    /// <param name="sines">Their sines.</param>
    /// <param name="position">Place in the sequence, from 0.</param>
    /// <param name="blocks">This layer's part of each of the sequence's blocks.</param>
    /// <param name="output">heads · hd values.</param>
    public void Run(float* qkv, float* bias, float* cosines, float* sines, int position, byte** blocks, float* output)
    {
        for (var head = 0; head < _kvHeads; head++)
        {
            LoadHead(qkv, bias, _heads + head, cosines, sines, _query);
            LoadHead(qkv, bias, _heads + _kvHeads + head, null, null, _output);
            _cache.Append(blocks[position / BlockTokens], head, position % BlockTokens, _query, _output);
        }

        var group = _heads / _kvHeads;
        for (var head = 0; head < _heads; head++)
        {
            LoadHead(qkv, bias, head, cosines, sines, _query);
            _cache.Scores(_query, blocks, head / group, position + 1, _scores);
            var total = Softmax(position + 1);
            _cache.WeightedValues(_scores, blocks, head / group, position + 1, 1f / total, _output);
            new ReadOnlySpan<float>(_output, _headSize).CopyTo(new Span<float>(output + head * _headSize, _headSize));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_scratch);

    /// <summary>One head's part of the row, biased and rotated.</summary>
    private void LoadHead(float* qkv, float* bias, int head, float* cosines, float* sines, float* destination)
    {
        var from = qkv + head * _headSize;
        for (var d = 0; d < _headSize; d++)
            destination[d] = bias == null ? from[d] : from[d] + bias[head * _headSize + d];
        if (cosines == null)
            return;
        var half = _headSize / 2;
        for (var i = 0; i < half; i++)
        {
            float a = destination[i], b = destination[i + half];
            destination[i] = a * cosines[i] - b * sines[i];
            destination[i + half] = b * cosines[i] + a * sines[i];
        }
    }

    /// <summary>Scores → exp(scaled score − the largest); returns their sum.</summary>
    private float Softmax(int seen)
    {
        var scale = Vector512.Create(_scale);
        var top = Vector512.Create(float.NegativeInfinity);
        for (var t = 0; t < seen; t += Lanes)
            top = Vector512.MaxNative(top, Vector512.Load(_scores + t));
        var max = float.NegativeInfinity;
        for (var i = 0; i < Lanes; i++)
            max = MathF.Max(max, top[i]);
        var offset = Vector512.Create(-max * _scale);
        Vector512<float> sum = default;
        for (var t = 0; t < seen; t += Lanes)
        {
            var e = VectorMath.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(_scores + t), scale, offset));
            e.Store(_scores + t);
            sum += e;
        }

        return Vector512.Sum(sum);
    }
}
