// What happens to a row between matrix products, in fp32 (x_C: a row of width C, a multiple of 16). The formulas are those of training's
// forward pass; a row is computed alone, so its bits do not depend on how many rows there are. Results may overwrite their inputs.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Cluster.Core.Models;

namespace Cluster.Inference.Kernels;

internal static unsafe class DecodeKernels
{
    private const int Lanes = 16;

    /// <summary>out = a + b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* a_C, float* b_C, float* out_C, int width)
    {
        for (var c = 0; c < width; c += Lanes)
            (Vector512.Load(a_C + c) + Vector512.Load(b_C + c)).Store(out_C + c);
    }

    /// <summary>out = a ⊙ b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* a_C, float* b_C, float* out_C, int width)
    {
        for (var c = 0; c < width; c += Lanes)
            (Vector512.Load(a_C + c) * Vector512.Load(b_C + c)).Store(out_C + c);
    }

    /// <summary>out = x · factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x_C, float factor, float* out_C, int width)
    {
        for (var c = 0; c < width; c += Lanes)
            (Vector512.Load(x_C + c) * Vector512.Create(factor)).Store(out_C + c);
    }

    /// <summary>
    /// out = (x − mean) / √(variance + ε) (LayerNorm) or x / √(mean square + ε) (RMSNorm), then ⊙ gain + bias. Gain and bias may be null.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalise(float* x_C, float* gain_C, float* bias_C, float* out_C, int width, Normalization kind)
    {
        Vector512<float> total = default, squares = default;
        for (var c = 0; c < width; c += Lanes)
        {
            var value = Vector512.Load(x_C + c);
            total += value;
            squares = Vector512.FusedMultiplyAdd(value, value, squares);
        }

        Finish(x_C, total, squares, gain_C, bias_C, out_C, width, kind);
    }

    /// <summary>sum = a + b, then out = its norm as in <see cref="Normalise"/>, in one pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ResidualNorm(float* a_C, float* b_C, float* sum_C, float* gain_C, float* bias_C, float* out_C, int width, Normalization kind)
    {
        Vector512<float> total = default, squares = default;
        for (var c = 0; c < width; c += Lanes)
        {
            var value = Vector512.Load(a_C + c) + Vector512.Load(b_C + c);
            value.Store(sum_C + c);
            total += value;
            squares = Vector512.FusedMultiplyAdd(value, value, squares);
        }

        Finish(sum_C, total, squares, gain_C, bias_C, out_C, width, kind);
    }

    /// <summary>GELU in its tanh form, x · σ(2u) with u = √(2/π) · (x + 0.044715 x³), of x + bias. The bias may be null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gelu(float* x_C, float* bias_C, float* out_C, int width)
    {
        const float twiceRoot = 1.5957691216057308f, cubic = 0.044715f; // 2√(2/π)
        for (var c = 0; c < width; c += Lanes)
        {
            var x = Vector512.Load(x_C + c);
            if (bias_C != null)
                x += Vector512.Load(bias_C + c);
            var twiceU = x * Vector512.FusedMultiplyAdd(x * x, Vector512.Create(cubic * twiceRoot), Vector512.Create(twiceRoot));
            (x * VectorMath.Sigmoid(twiceU)).Store(out_C + c);
        }
    }

    /// <summary>out = x · σ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Silu(float* x_C, float* out_C, int width)
    {
        for (var c = 0; c < width; c += Lanes)
        {
            var x = Vector512.Load(x_C + c);
            (x * VectorMath.Sigmoid(x)).Store(out_C + c);
        }
    }

    /// <summary>out = silu(gate) · up of x + bias, where 16 gates and 16 ups take turns in x. The bias, in the same order, may be null.</summary>
    /// <param name="x_2C">[2 · width].</param>
    /// <param name="bias_2C">[2 · width].</param>
    /// <param name="out_C">[width].</param>
    /// <param name="width">Of the result.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Swiglu(float* x_2C, float* bias_2C, float* out_C, int width)
    {
        for (var c = 0; c < width; c += Lanes)
        {
            Vector512<float> gate = Vector512.Load(x_2C + 2 * c), up = Vector512.Load(x_2C + 2 * c + Lanes);
            if (bias_2C != null)
            {
                gate += Vector512.Load(bias_2C + 2 * c);
                up += Vector512.Load(bias_2C + 2 * c + Lanes);
            }

            (gate * VectorMath.Sigmoid(gate) * up).Store(out_C + c);
        }
    }

    /// <summary>Every head of x rotated: halves paired as in GPT-NeoX (Su et al., "RoFormer", 2021).</summary>
    /// <param name="x">[heads, size].</param>
    /// <param name="angles">[size]: cosines, then sines.</param>
    /// <param name="to">[heads, size]; may be x.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="size">Width of one.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(float* x, float* angles, float* to, int heads, int size)
    {
        var half = size / 2;
        float* cosines = angles, sines = angles + half;
        for (var head = 0; head < heads; head++, x += size, to += size)
        {
            for (var i = 0; i < half; i++)
            {
                float a = x[i], b = x[i + half];
                to[i] = a * cosines[i] - b * sines[i];
                to[i + half] = b * cosines[i] + a * sines[i];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(
        float* x_C, Vector512<float> total, Vector512<float> squares, float* gain_C, float* bias_C, float* out_C, int width, Normalization kind)
    {
        var mean = 0f;
        if (kind == Normalization.LayerNorm)
        {
            mean = Vector512.Sum(total) / width;
            var centre = Vector512.Create(mean);
            // Two passes: the one-pass form loses digits where |mean| is large against the deviation.
            squares = default;
            for (var c = 0; c < width; c += Lanes)
            {
                var d = Vector512.Load(x_C + c) - centre;
                squares = Vector512.FusedMultiplyAdd(d, d, squares);
            }
        }

        var reciprocal = 1f / MathF.Sqrt(Vector512.Sum(squares) / width + ModelShape.NormEpsilon);
        Vector512<float> centred = Vector512.Create(mean), factor = Vector512.Create(reciprocal);
        for (var c = 0; c < width; c += Lanes)
        {
            var value = (Vector512.Load(x_C + c) - centred) * factor;
            if (gain_C != null)
                value *= Vector512.Load(gain_C + c);
            if (bias_C != null)
                value += Vector512.Load(bias_C + c);
            value.Store(out_C + c);
        }
    }
}
