// Causal attention of one query row against cached keys and values. Enters: a row of qkv as the projection wrote it, its position, the
// blocks of its sequence. Leaves: the row's key and value in the cache, and o. The order of every sum follows from the position alone.
// Does not know: layers, sequences, batches.
// A block holds 16 tokens. For each key-value head: keys [hd, 16] (so that one vector holds one feature of 16 tokens and scores
// need no sum across lanes), then values [16, hdp], hdp being hd rounded up to 16.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

internal sealed unsafe class CachedAttention : IDisposable
{
    /// <summary>Tokens of one block: the lanes of a vector.</summary>
    public const int BlockTokens = 16;

    private const int Lanes = 16;
    private readonly int _heads, _kvHeads, _headSize, _padded;
    private readonly float _scale;
    private readonly float* _scratch, _query, _output, _scores;

    /// <param name="heads">Query heads.</param>
    /// <param name="kvHeads">Key and value heads, a divisor of the query heads.</param>
    /// <param name="headSize">Width of one head, even.</param>
    /// <param name="maxTokens">Longest sequence.</param>
    public CachedAttention(int heads, int kvHeads, int headSize, int maxTokens)
    {
        (_heads, _kvHeads, _headSize) = (heads, kvHeads, headSize);
        _padded = (headSize + Lanes - 1) / Lanes * Lanes;
        _scale = 1f / MathF.Sqrt(headSize);
        var scores = (maxTokens + Lanes - 1) / Lanes * Lanes;
        _scratch = (float*)NativeMemory.AlignedAlloc((nuint)(2 * _padded + scores) * sizeof(float), 64);
        NativeMemory.Clear(_scratch, (nuint)(2 * _padded + scores) * sizeof(float));
        _query = _scratch;
        _output = _query + _padded;
        _scores = _output + _padded;
    }

    /// <summary>Floats of one layer in a block.</summary>
    public int BlockFloats => _kvHeads * HeadFloats;

    private int HeadFloats => BlockTokens * (_headSize + _padded);

    /// <summary>Puts the key and value of token <paramref name="position"/> into its block, then o = softmax(q·kᵀ/√hd)·v over all tokens up to it.</summary>
    /// <param name="qkv">(heads + 2 · kvHeads) · hd values.</param>
    /// <param name="bias">Added to qkv, or null.</param>
    /// <param name="cosines">hd / 2 cosines of the position's angles, or null for no rotation.</param>
    /// <param name="sines">Their sines.</param>
    /// <param name="position">Place in the sequence, from 0.</param>
    /// <param name="blocks">This layer's part of each of the sequence's blocks.</param>
    /// <param name="output">heads · hd values.</param>
    public void Run(float* qkv, float* bias, float* cosines, float* sines, int position, float** blocks, float* output)
    {
        Append(qkv, bias, cosines, sines, blocks[position / BlockTokens], position % BlockTokens);
        var group = _heads / _kvHeads;
        for (var head = 0; head < _heads; head++)
        {
            LoadHead(qkv, bias, head, cosines, sines, _query);
            var offset = head / group * HeadFloats;
            Scores(blocks, offset, position + 1);
            var total = Softmax(position + 1);
            WeightedValues(blocks, offset + BlockTokens * _headSize, position + 1, 1f / total);
            new ReadOnlySpan<float>(_output, _headSize).CopyTo(new Span<float>(output + head * _headSize, _headSize));
        }
    }

    /// <summary>Puts a token's key and value, rows of kvHeads · hd biased and rotated as they are to be, into a slot of a block.</summary>
    public void Write(float* block, int slot, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        for (var head = 0; head < _kvHeads; head++)
        {
            float* keys = block + head * HeadFloats, values = keys + BlockTokens * _headSize + slot * _padded;
            for (var d = 0; d < _headSize; d++)
            {
                keys[d * BlockTokens + slot] = key[head * _headSize + d];
                values[d] = value[head * _headSize + d];
            }
        }
    }

    /// <summary>The key and value in a slot of a block.</summary>
    public void Read(float* block, int slot, Span<float> key, Span<float> value)
    {
        for (var head = 0; head < _kvHeads; head++)
        {
            float* keys = block + head * HeadFloats, values = keys + BlockTokens * _headSize + slot * _padded;
            for (var d = 0; d < _headSize; d++)
            {
                key[head * _headSize + d] = keys[d * BlockTokens + slot];
                value[head * _headSize + d] = values[d];
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_scratch);

    private void Append(float* qkv, float* bias, float* cosines, float* sines, float* block, int slot)
    {
        for (var head = 0; head < _kvHeads; head++)
        {
            float* keys = block + head * HeadFloats, values = keys + BlockTokens * _headSize + slot * _padded;
            LoadHead(qkv, bias, _heads + head, cosines, sines, _query);
            for (var d = 0; d < _headSize; d++)
                keys[d * BlockTokens + slot] = _query[d];
            LoadHead(qkv, bias, _heads + _kvHeads + head, null, null, values);
        }
    }

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

    /// <summary>Unscaled scores of all tokens of the blocks; those past <paramref name="seen"/> become −∞.</summary>
    private void Scores(float** blocks, int offset, int seen)
    {
        var count = (seen + BlockTokens - 1) / BlockTokens;
        var block = 0;
        for (; block + 4 <= count; block += 4)
        {
            float* k0 = blocks[block] + offset, k1 = blocks[block + 1] + offset, k2 = blocks[block + 2] + offset, k3 = blocks[block + 3] + offset;
            Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var d = 0; d < _headSize; d++)
            {
                var q = Vector512.Create(_query[d]);
                s0 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k0 + d * Lanes), s0);
                s1 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k1 + d * Lanes), s1);
                s2 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k2 + d * Lanes), s2);
                s3 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k3 + d * Lanes), s3);
            }

            float* scores = _scores + block * Lanes;
            s0.Store(scores);
            s1.Store(scores + Lanes);
            s2.Store(scores + 2 * Lanes);
            s3.Store(scores + 3 * Lanes);
        }

        for (; block < count; block++)
        {
            var keys = blocks[block] + offset;
            Vector512<float> sum = default;
            for (var d = 0; d < _headSize; d++)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(_query[d]), Vector512.Load(keys + d * Lanes), sum);
            sum.Store(_scores + block * Lanes);
        }

        // A block that another sequence used before holds that one's keys past the end of this one.
        for (var t = seen; t < count * BlockTokens; t++)
            _scores[t] = float.NegativeInfinity;
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

    /// <summary>output = factor · Σ over tokens of weight · value, in four chains over the tokens t mod 4.</summary>
    private void WeightedValues(float** blocks, int offset, int seen, float factor)
    {
        for (var column = 0; column < _padded; column += Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            var t = 0;
            for (; t + 4 <= seen; t += 4)
            {
                var v = blocks[t / BlockTokens] + offset + t % BlockTokens * _padded + column;
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t]), Vector512.Load(v), a0);
                a1 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t + 1]), Vector512.Load(v + _padded), a1);
                a2 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t + 2]), Vector512.Load(v + 2 * _padded), a2);
                a3 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t + 3]), Vector512.Load(v + 3 * _padded), a3);
            }

            if (t < seen)
            {
                var v = blocks[t / BlockTokens] + offset + t % BlockTokens * _padded + column;
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t]), Vector512.Load(v), a0);
                if (t + 1 < seen)
                    a1 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t + 1]), Vector512.Load(v + _padded), a1);
                if (t + 2 < seen)
                    a2 = Vector512.FusedMultiplyAdd(Vector512.Create(_scores[t + 2]), Vector512.Load(v + 2 * _padded), a2);
            }

            (((a0 + a1) + (a2 + a3)) * Vector512.Create(factor)).Store(_output + column);
        }
    }
}
