using System.Runtime.Intrinsics;
using Cluster.Core.Numerics;
using Cluster.Model.Kernels;

namespace Cluster.Model.Optimizer;

/// <summary>The fixed constants of AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).</summary>
/// <param name="Beta1">Decay of the first moment, in [0, 1).</param>
/// <param name="Beta2">Decay of the second moment, in [0, 1).</param>
/// <param name="Epsilon">Added to the root of the second moment, above 0.</param>
/// <param name="WeightDecay">Decoupled decay of matrices, at least 0.</param>
/// <param name="ClipNorm">Gradients with a larger norm are scaled to it; 0 switches clipping off.</param>
public sealed record AdamWOptions(double Beta1 = 0.9, double Beta2 = 0.95, double Epsilon = 1e-8, double WeightDecay = 0.1, double ClipNorm = 1.0);

/// <summary>
/// Clipping and AdamW over flat vectors in one pass that also writes the rounded copy which the products read.
/// Enters: the reduced gradient. Leaves: new parameters and moments. Every element is treated alike, and the norm is summed over
/// fixed blocks in order, so the result does not depend on threads or slices.
/// </summary>
internal static unsafe class AdamW
{
    /// <summary>Where some elements' parameters and moments are, on 64-byte bounds.</summary>
    public readonly struct Vectors(float* parameters, float* first, float* second)
    {
        public readonly float* Parameters = parameters, First = first, Second = second;

        /// <summary>Those from an element on.</summary>
        public Vectors From(long element) => new(Parameters + element, First + element, Second + element);
    }

    /// <summary>√Σ g², summed over fixed blocks in order.</summary>
    public static double Norm(ReadOnlySpan<float> gradient) => BlockNorm.Of(gradient);

    /// <summary>
    /// g = clip · gradient; m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²;
    /// p −= rate · (m̂ / (√v̂ + ε) + decay · p), with m̂ = m / (1−β₁ᵗ), v̂ = v / (1−β₂ᵗ); decay only on the first elements.
    /// </summary>
    /// <param name="gradient">Of these elements.</param>
    /// <param name="from">Where they are read.</param>
    /// <param name="to">Where they are written; may be the very same.</param>
    /// <param name="cast">Receives the rounded parameters.</param>
    /// <param name="decayed">Elements that decay.</param>
    /// <param name="options">Constants.</param>
    /// <param name="rate">Learning rate.</param>
    /// <param name="gradientNorm">The norm of the whole gradient, as <see cref="Norm"/> gives it.</param>
    /// <param name="step">t, counted from 1.</param>
    public static void Apply<T>(
        ReadOnlySpan<float> gradient, Vectors from, Vectors to, T* cast, long decayed, AdamWOptions options, double rate, double gradientNorm, long step)
        where T : unmanaged, IElement<T>
    {
        float* parameters = from.Parameters, first = from.First, second = from.Second;
        float* newParameters = to.Parameters, newFirst = to.First, newSecond = to.Second;
        var clip = options.ClipNorm > 0 && gradientNorm > options.ClipNorm ? options.ClipNorm / gradientNorm : 1.0;
        Vector512<float> scale = Vector512.Create((float)clip), beta1 = Vector512.Create((float)options.Beta1), beta2 = Vector512.Create((float)options.Beta2);
        Vector512<float> rest1 = Vector512.Create((float)(1 - options.Beta1)), rest2 = Vector512.Create((float)(1 - options.Beta2));
        var stepSize = Vector512.Create((float)(-rate / (1 - Math.Pow(options.Beta1, step))));
        var root = Vector512.Create((float)(1 / Math.Sqrt(1 - Math.Pow(options.Beta2, step))));
        Vector512<float> epsilon = Vector512.Create((float)options.Epsilon), keep = Vector512.Create((float)(1 - rate * options.WeightDecay));
        fixed (float* source = gradient)
        {
            for (long i = 0; i < gradient.Length; i += 16)
            {
                var g = Vector512.Load(source + i) * scale;
                var m = Vector512.FusedMultiplyAdd(beta1, Vector512.Load(first + i), rest1 * g);
                var v = Vector512.FusedMultiplyAdd(beta2, Vector512.Load(second + i), rest2 * (g * g));
                m.Store(newFirst + i);
                v.Store(newSecond + i);
                var p = Vector512.Load(parameters + i);
                if (i < decayed)
                    p *= keep;
                p = Vector512.FusedMultiplyAdd(stepSize, m / Vector512.FusedMultiplyAdd(Vector512.Sqrt(v), root, epsilon), p);
                p.Store(newParameters + i);
                T.Store(cast + i, p);
            }
        }
    }
}
