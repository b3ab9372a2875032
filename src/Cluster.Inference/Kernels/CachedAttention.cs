// Causal attention of one head of one query row against cached keys and values. Enters: q, the blocks of its sequence. Leaves: o. The order
// of every sum follows from the position alone. Does not know: layers, sequences, batches, how keys and values are stored.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

internal static unsafe class CachedAttention
{
    private const int Lanes = KeyValueFormat.BlockTokens;

    /// <summary>output = softmax(factor · q·kᵀ)·v over the tokens seen.</summary>
    /// <param name="cache">How keys and values are stored.</param>
    /// <param name="query">[head size], rotated already.</param>
    /// <param name="blocks">The layer's part of each of the sequence's blocks.</param>
    /// <param name="head">Of the key and value heads.</param>
    /// <param name="seen">Tokens, the own one included, at least 1.</param>
    /// <param name="factor">What scores are multiplied by.</param>
    /// <param name="scores">Scratch: room for whole blocks; on a 64-byte bound.</param>
    /// <param name="output">[padded head size], on a 64-byte bound.</param>
    public static void Run(KeyValueFormat cache, float* query, byte** blocks, int head, int seen, float factor, float* scores, float* output)
    {
        cache.Scores(query, blocks, head, seen, scores);
        var total = Exponentials(scores, seen, factor);
        cache.WeightedValues(scores, blocks, head, seen, 1f / total, output);
    }

    /// <summary>scores → exp(factor · (score − the largest)), 16 at a time to the end of the last block; returns their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Exponentials(float* scores, int seen, float factor)
    {
        var scale = Vector512.Create(factor);
        var top = Vector512.Create(float.NegativeInfinity);
        for (var t = 0; t < seen; t += Lanes)
            top = Vector512.MaxNative(top, Vector512.Load(scores + t));
        var max = float.NegativeInfinity;
        for (var i = 0; i < Lanes; i++)
            max = MathF.Max(max, top[i]);
        var offset = Vector512.Create(-max * factor);
        Vector512<float> sum = default;
        for (var t = 0; t < seen; t += Lanes)
        {
            var e = VectorMath.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + t), scale, offset));
            e.Store(scores + t);
            sum += e;
        }

        return Vector512.Sum(sum);
    }
}
