using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

/// <summary>
/// Keys and values in fp32. Each head of a block: keys [hd, 16], so that one vector holds one feature of 16 tokens and scores need no sum
/// across lanes, then values [16, hdp], hdp being hd rounded up to 16.
/// </summary>
internal sealed unsafe class Fp32KeyValues(int kvHeads, int headSize) : KeyValueFormat(kvHeads, headSize)
{
    private readonly int _padded = (headSize + Lanes - 1) / Lanes * Lanes;

    /// <inheritdoc/>
    public override int LayerBytes => checked(KvHeads * HeadFloats * sizeof(float));

    private int HeadFloats => BlockTokens * (HeadSize + _padded);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Append(byte* block, int head, int slot, float* key, float* value)
    {
        float* keys = (float*)block + head * HeadFloats, values = keys + BlockTokens * HeadSize + slot * _padded;
        for (var d = 0; d < HeadSize; d++)
            keys[d * BlockTokens + slot] = key[d];
        new ReadOnlySpan<float>(value, HeadSize).CopyTo(new Span<float>(values, HeadSize));
    }

    /// <inheritdoc/>
    public override void Read(byte* block, int head, int slot, float* key, float* value)
    {
        float* keys = (float*)block + head * HeadFloats, values = keys + BlockTokens * HeadSize + slot * _padded;
        for (var d = 0; d < HeadSize; d++)
            key[d] = keys[d * BlockTokens + slot];
        new ReadOnlySpan<float>(values, HeadSize).CopyTo(new Span<float>(value, HeadSize));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Scores(float* query, byte** blocks, int head, int seen, float* scores)
    {
        var offset = head * HeadFloats;
        var count = (seen + BlockTokens - 1) / BlockTokens;
        var block = 0;
        for (; block + 4 <= count; block += 4)
        {
            float* k0 = (float*)blocks[block] + offset, k1 = (float*)blocks[block + 1] + offset;
            float* k2 = (float*)blocks[block + 2] + offset, k3 = (float*)blocks[block + 3] + offset;
            Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var d = 0; d < HeadSize; d++)
            {
                var q = Vector512.Create(query[d]);
                s0 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k0 + d * Lanes), s0);
                s1 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k1 + d * Lanes), s1);
                s2 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k2 + d * Lanes), s2);
                s3 = Vector512.FusedMultiplyAdd(q, Vector512.Load(k3 + d * Lanes), s3);
            }

            var to = scores + block * Lanes;
            s0.Store(to);
            s1.Store(to + Lanes);
            s2.Store(to + 2 * Lanes);
            s3.Store(to + 3 * Lanes);
        }

        for (; block < count; block++)
        {
            var keys = (float*)blocks[block] + offset;
            Vector512<float> sum = default;
            for (var d = 0; d < HeadSize; d++)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(query[d]), Vector512.Load(keys + d * Lanes), sum);
            sum.Store(scores + block * Lanes);
        }

        // A block that another sequence used before holds that one's keys past the end of this one.
        for (var t = seen; t < count * BlockTokens; t++)
            scores[t] = float.NegativeInfinity;
    }

    /// <summary>In four chains over the tokens t mod 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void WeightedValues(float* weights, byte** blocks, int head, int seen, float factor, float* output)
    {
        var offset = head * HeadFloats + BlockTokens * HeadSize;
        for (var column = 0; column < _padded; column += Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            var t = 0;
            for (; t + 4 <= seen; t += 4)
            {
                var v = (float*)blocks[t / BlockTokens] + offset + t % BlockTokens * _padded + column;
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t]), Vector512.Load(v), a0);
                a1 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 1]), Vector512.Load(v + _padded), a1);
                a2 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 2]), Vector512.Load(v + 2 * _padded), a2);
                a3 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 3]), Vector512.Load(v + 3 * _padded), a3);
            }

            if (t < seen)
            {
                var v = (float*)blocks[t / BlockTokens] + offset + t % BlockTokens * _padded + column;
                a0 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t]), Vector512.Load(v), a0);
                if (t + 1 < seen)
                    a1 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 1]), Vector512.Load(v + _padded), a1);
                if (t + 2 < seen)
                    a2 = Vector512.FusedMultiplyAdd(Vector512.Create(weights[t + 2]), Vector512.Load(v + 2 * _padded), a2);
            }

            (((a0 + a1) + (a2 + a3)) * Vector512.Create(factor)).Store(output + column);
        }
    }
}
