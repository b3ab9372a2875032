// Enters: a chunk of logits. Leaves: each row's negative log-likelihood, and the logits replaced by their gradient in place, so
// that the whole [tokens, vocabulary] matrix never exists and is never written twice.
// Does not know: where the chunk lies, what the loss is averaged over (the caller hands the scale).
using System.Runtime.Intrinsics;
using Cluster.Inference.Kernels;

namespace Cluster.Model.Kernels;

internal static unsafe class CrossEntropyKernel
{
    private const int Lanes = 16;

    /// <summary>
    /// For every row r with weight w = mask[r]: loss[r] = logsumexp(logits) − logits[target], else 0.
    /// With <paramref name="withGradient"/>, logits become (softmax − onehot(target)) · scale, or zeros where the mask is 0.
    /// </summary>
    /// <param name="vocabulary">Logits of a row; a multiple of 16.</param>
    public static void Run<T>(
        T* logits_NV, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask, Span<float> losses, int vocabulary, float scale, bool withGradient)
        where T : unmanaged, IElement<T>
    {
        var nothing = Vector512.Create(float.NegativeInfinity);
        for (var r = 0; r < targets.Length; r++)
        {
            var row = logits_NV + (long)r * vocabulary;
            if (mask[r] == 0)
            {
                losses[r] = 0;
                if (withGradient)
                {
                    for (var c = 0; c < vocabulary; c += Lanes)
                        T.Store(row + c, default);
                }

                continue;
            }

            Vector512<float> max0 = nothing, max1 = nothing;
            var i = 0;
            for (; i + 2 * Lanes <= vocabulary; i += 2 * Lanes)
            {
                max0 = Vector512.MaxNative(max0, T.Load(row + i));
                max1 = Vector512.MaxNative(max1, T.Load(row + i + Lanes));
            }

            for (; i < vocabulary; i += Lanes)
                max0 = Vector512.MaxNative(max0, T.Load(row + i));
            var max = Maximum(Vector512.MaxNative(max0, max1));
            var top = Vector512.Create(max);

            Vector512<float> sum0 = default, sum1 = default;
            for (i = 0; i + 2 * Lanes <= vocabulary; i += 2 * Lanes)
            {
                sum0 += VectorMath.Exp(T.Load(row + i) - top);
                sum1 += VectorMath.Exp(T.Load(row + i + Lanes) - top);
            }

            for (; i < vocabulary; i += Lanes)
                sum0 += VectorMath.Exp(T.Load(row + i) - top);
            var sum = Vector512.Sum(sum0 + sum1);

            var target = targets[r];
            var targetLogit = Element(row, target);
            losses[r] = max + MathF.Log(sum) - targetLogit;
            if (!withGradient)
                continue;

            var factor = Vector512.Create(scale / sum);
            for (i = 0; i < vocabulary; i += Lanes)
                T.Store(row + i, VectorMath.Exp(T.Load(row + i) - top) * factor);
            // The target's entry again from its fp32 value, so that the subtraction is rounded once.
            var probability = VectorMath.Exp(Vector512.Create(targetLogit) - top)[0] / sum;
            SetElement(row, target, (probability - 1f) * scale);
        }
    }

    private static float Maximum(Vector512<float> value)
    {
        var result = value[0];
        for (var i = 1; i < Lanes; i++)
            result = MathF.Max(result, value[i]);
        return result;
    }

    private static float Element<T>(T* row, int index)
        where T : unmanaged, IElement<T>
    {
        var start = index / Lanes * Lanes;
        return T.Load(row + start)[index - start];
    }

    private static void SetElement<T>(T* row, int index, float value)
        where T : unmanaged, IElement<T>
    {
        var start = index / Lanes * Lanes;
        T.Store(row + start, T.Load(row + start).WithElement(index - start, value));
    }
}
