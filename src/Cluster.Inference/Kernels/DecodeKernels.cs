// What a block does to rows between its matrix products, in fp32 (x_RC: R rows of width C, C a multiple of 16). The formulas are
// those of training's forward pass; every row is treated alike, so a row's bits do not depend on how many rows there are.
using System.Runtime.Intrinsics;
using Cluster.Core.Models;

namespace Cluster.Inference.Kernels;

internal static unsafe class DecodeKernels
{
    private const int Lanes = 16;

    /// <summary>x = embedding · scale + position; position may be null.</summary>
    public static void Embed(float* x_C, float* embedding_C, float* position_C, int width, float scale)
    {
        var factor = Vector512.Create(scale);
        for (var c = 0; c < width; c += Lanes)
        {
            var value = Vector512.Load(embedding_C + c);
            (position_C == null ? value * factor : Vector512.FusedMultiplyAdd(value, factor, Vector512.Load(position_C + c))).Store(x_C + c);
        }
    }

    /// <summary>
    /// x += branch + branchBias (nothing where branch is null), then h = norm(x) · gain + bias: the end of one part and the start of
    /// the next in one pass. Biases may be null.
    /// </summary>
    public static void AddNorm(
        float* x_RC, float* branch_RC, float* branchBias_C, float* h_RC, float* gain_C, float* bias_C, int rows, int width, Normalization kind)
    {
        for (var r = 0; r < rows; r++, x_RC += width, h_RC += width)
        {
            Vector512<float> total = default, squares = default;
            for (var c = 0; c < width; c += Lanes)
            {
                var value = Vector512.Load(x_RC + c);
                if (branch_RC != null)
                {
                    value += Vector512.Load(branch_RC + (long)r * width + c);
                    if (branchBias_C != null)
                        value += Vector512.Load(branchBias_C + c);
                    value.Store(x_RC + c);
                }

                total += value;
                squares = Vector512.FusedMultiplyAdd(value, value, squares);
            }

            var mean = 0f;
            if (kind == Normalization.LayerNorm)
            {
                mean = Vector512.Sum(total) / width;
                var centre = Vector512.Create(mean);
                // Two passes: the one-pass form loses digits where |mean| is large against the deviation.
                squares = default;
                for (var c = 0; c < width; c += Lanes)
                {
                    var d = Vector512.Load(x_RC + c) - centre;
                    squares = Vector512.FusedMultiplyAdd(d, d, squares);
                }
            }

            var reciprocal = 1f / MathF.Sqrt(Vector512.Sum(squares) / width + ModelShape.NormEpsilon);
            Vector512<float> centred = Vector512.Create(mean), factor = Vector512.Create(reciprocal);
            for (var c = 0; c < width; c += Lanes)
            {
                var value = (Vector512.Load(x_RC + c) - centred) * factor * Vector512.Load(gain_C + c);
                if (bias_C != null)
                    value += Vector512.Load(bias_C + c);
                value.Store(h_RC + c);
            }
        }
    }

    /// <summary>out = silu(gate + b) · (up + b); a row of <paramref name="up_R2F"/> is gate then up. The bias may be null.</summary>
    public static void Swiglu(float* up_R2F, float* bias_2F, float* out_RF, int rows, int hidden)
    {
        for (var r = 0; r < rows; r++, up_R2F += 2 * hidden, out_RF += hidden)
        {
            for (var c = 0; c < hidden; c += Lanes)
            {
                Vector512<float> gate = Vector512.Load(up_R2F + c), up = Vector512.Load(up_R2F + hidden + c);
                if (bias_2F != null)
                {
                    gate += Vector512.Load(bias_2F + c);
                    up += Vector512.Load(bias_2F + hidden + c);
                }

                (gate * VectorMath.Sigmoid(gate) * up).Store(out_RF + c);
            }
        }
    }

    /// <summary>GELU in its tanh form, x · σ(2u) with u = √(2/π) · (x + 0.044715 x³), x the row plus bias. The bias may be null.</summary>
    public static void Gelu(float* up_RF, float* bias_F, float* out_RF, int rows, int hidden)
    {
        const float twiceRoot = 1.5957691216057308f, cubic = 0.044715f; // 2√(2/π)
        for (var r = 0; r < rows; r++, up_RF += hidden, out_RF += hidden)
        {
            for (var c = 0; c < hidden; c += Lanes)
            {
                var x = Vector512.Load(up_RF + c);
                if (bias_F != null)
                    x += Vector512.Load(bias_F + c);
                var twiceU = x * Vector512.FusedMultiplyAdd(x * x, Vector512.Create(cubic * twiceRoot), Vector512.Create(twiceRoot));
                (x * VectorMath.Sigmoid(twiceU)).Store(out_RF + c);
            }
        }
    }
}
