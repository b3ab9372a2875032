using System.Runtime.Intrinsics;
using Cluster.Inference.Backends;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Generation;

/// <summary>What a model makes of a text that is there already: the loss of training, through a decode backend's own arithmetic.</summary>
public static class TextLoss
{
    private const int Lanes = 16;

    /// <summary>Σ −log p(target) in nats over the unmasked tokens of one sequence.</summary>
    /// <param name="backend">The model; one sequence's room in its cache must be free.</param>
    /// <param name="ids">At most the model's longest sequence.</param>
    /// <param name="targets">The id that follows each.</param>
    /// <param name="mask">0 leaves a token out.</param>
    public static double Sum(IDecodeBackend backend, ReadOnlySpan<int> ids, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask)
    {
        using var sequence = backend.CreateSequence();
        double sum = 0;
        var vocabulary = backend.Shape.Vocabulary;
        for (var start = 0; start < ids.Length; start += backend.PrefillChunk)
        {
            var count = Math.Min(backend.PrefillChunk, ids.Length - start);
            var logits = backend.Prefill(sequence, ids.Slice(start, count), LogitRows.All);
            for (var i = 0; i < count; i++)
            {
                if (mask[start + i] != 0)
                    sum += Of(logits.Slice(i * vocabulary, vocabulary), targets[start + i]);
            }
        }

        return sum;
    }

    /// <summary>−log softmax(logits)[target]; the vocabulary is a multiple of 16.</summary>
    internal static double Of(ReadOnlySpan<float> logits, int target)
    {
        var top = Vector512.Create(logits);
        for (var i = Lanes; i < logits.Length; i += Lanes)
            top = Vector512.Max(top, Vector512.Create(logits[i..]));
        var max = float.NegativeInfinity;
        for (var i = 0; i < Lanes; i++)
            max = MathF.Max(max, top[i]);
        Vector512<float> offset = Vector512.Create(max), sum = default;
        for (var i = 0; i < logits.Length; i += Lanes)
            sum += VectorMath.Exp(Vector512.Create(logits[i..]) - offset);
        return Math.Log(Vector512.Sum(sum)) + max - logits[target];
    }
}
