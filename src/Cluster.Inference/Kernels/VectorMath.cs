using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

/// <summary>
/// Elementary functions over 16 floats at a time, the same operations in the same order on every processor, so that vector bodies
/// and tails, training and decoding all round alike.
/// </summary>
public static class VectorMath
{
    /// <summary>
    /// e^x within 2 ulp for x in [−87.3, 88.3]; smaller x give about 1.2e-38 (never 0), larger ones about 2e38 (never ∞). NaN stays NaN.
    /// Cody and Waite's reduction to |r| ≤ ln 2 / 2 and the degree-6 polynomial of Cephes' expf (Moshier, 1989).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        x = Vector512.Min(Vector512.Max(x, Vector512.Create(-87.33654f)), Vector512.Create(88.02f));
        // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
        var shift = Vector512.Create(12582912f);
        var shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.442695041f), shift);
        var n = shifted - shift;
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        var p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r + Vector512<float>.One);
        return (p.AsInt32() + Vector512.ShiftLeft(shifted.AsInt32(), 23)).AsSingle();
    }

    /// <summary>1 / (1 + e^−x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> x) =>
        Vector512<float>.One / (Vector512<float>.One + Exp(-x));
}
