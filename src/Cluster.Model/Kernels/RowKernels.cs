// Enters: rows of activations as pointers (x_RC: R rows of width C, C a multiple of 16). Leaves: the next rows, and gradients.
// Does not know: the model, which layer it is in, threads. Every row is treated alike, column by column in order, so a row's bits
// do not depend on how many rows there are.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Cluster.Core.Models;
using Cluster.Inference.Kernels;

namespace Cluster.Model.Kernels;

internal static unsafe class RowKernels
{
    private const int Lanes = 16;

    /// <summary>x = E[token] · scale + P[position], in fp32. Positions count from 0 within each sequence.</summary>
    public static void Embed(
        float* x_RC, ReadOnlySpan<int> tokens, float* embedding_VC, float* positions_TC, int context, int width, float scale)
    {
        var factor = Vector512.Create(scale);
        for (var r = 0; r < tokens.Length; r++)
        {
            var source = embedding_VC + (long)tokens[r] * width;
            var row = x_RC + (long)r * width;
            if (positions_TC == null)
            {
                for (var c = 0; c < width; c += Lanes)
                    (Vector512.Load(source + c) * factor).Store(row + c);
                continue;
            }

            var position = positions_TC + (long)(r % context) * width;
            for (var c = 0; c < width; c += Lanes)
                Vector512.FusedMultiplyAdd(Vector512.Load(source + c), factor, Vector512.Load(position + c)).Store(row + c);
        }
    }

    /// <summary>Adds dx · scale to the rows of the embedding's gradient, token by token in order.</summary>
    public static void EmbedBackward(float* dx_RC, ReadOnlySpan<int> tokens, float* gradient_VC, int width, float scale)
    {
        var factor = Vector512.Create(scale);
        for (var r = 0; r < tokens.Length; r++)
        {
            var destination = gradient_VC + (long)tokens[r] * width;
            var row = dx_RC + (long)r * width;
            for (var c = 0; c < width; c += Lanes)
                Vector512.FusedMultiplyAdd(Vector512.Load(row + c), factor, Vector512.Load(destination + c)).Store(destination + c);
        }
    }

    /// <summary>Adds dx to the rows of the learned positions' gradient.</summary>
    public static void PositionsBackward(float* dx_RC, int rows, float* gradient_TC, int context, int width)
    {
        for (var r = 0; r < rows; r++)
            Add(gradient_TC + (long)(r % context) * width, dx_RC + (long)r * width, width);
    }

    /// <summary>
    /// x' = x + branch + branchBias, then h = norm(x') · gain + bias: the end of one part and the start of the next in one pass.
    /// Without a branch x' is x and nothing is added. Saves 1/σ and mean per row (mean 0 for RMSNorm).
    /// </summary>
    public static void AddNorm<T>(
        float* x_RC, T* branch_RC, float* branchBias_C, float* sum_RC, T* h_RC, float* mean_R, float* reciprocal_R,
        float* gain_C, float* bias_C, int rows, int width, Normalization kind)
        where T : unmanaged, IElement<T>
    {
        for (var r = 0; r < rows; r++)
        {
            float* x = x_RC + (long)r * width, sum = sum_RC + (long)r * width;
            var branch = branch_RC + (long)r * width;
            Vector512<float> total0 = default, total1 = default;
            var hasBranch = branch_RC != null;
            for (var c = 0; c < width; c += Lanes)
            {
                var value = Vector512.Load(x + c);
                if (hasBranch)
                {
                    value += T.Load(branch + c);
                    if (branchBias_C != null)
                        value += Vector512.Load(branchBias_C + c);
                    value.Store(sum + c);
                }

                total0 += value;
                total1 = Vector512.FusedMultiplyAdd(value, value, total1);
            }

            var source = hasBranch ? sum : x;
            float mean = 0, variance;
            if (kind == Normalization.LayerNorm)
            {
                mean = Vector512.Sum(total0) / width;
                var centre = Vector512.Create(mean);
                // Two passes: the one-pass form loses digits where |mean| is large against the deviation.
                Vector512<float> squares = default;
                for (var c = 0; c < width; c += Lanes)
                {
                    var d = Vector512.Load(source + c) - centre;
                    squares = Vector512.FusedMultiplyAdd(d, d, squares);
                }

                variance = Vector512.Sum(squares) / width;
            }
            else
            {
                variance = Vector512.Sum(total1) / width;
            }

            var reciprocal = 1f / MathF.Sqrt(variance + ModelShape.NormEpsilon);
            mean_R[r] = mean;
            reciprocal_R[r] = reciprocal;
            var h = h_RC + (long)r * width;
            Vector512<float> centred = Vector512.Create(mean), factor = Vector512.Create(reciprocal);
            for (var c = 0; c < width; c += Lanes)
            {
                var value = (Vector512.Load(source + c) - centred) * factor * Vector512.Load(gain_C + c);
                if (bias_C != null)
                    value += Vector512.Load(bias_C + c);
                T.Store(h + c, value);
            }
        }
    }

    /// <summary>
    /// The norm's backward pass: with x̂ = (x − mean)/σ and g = dh · gain,
    /// dx (+)= (g − mean(g) − x̂ · mean(g · x̂)) / σ  (RMSNorm: without mean(g));
    /// dgain += Σ dh · x̂, dbias += Σ dh. Also writes dx as the element type for the products that follow.
    /// </summary>
    public static void NormBackward<T>(
        T* dh_RC, float* x_RC, float* mean_R, float* reciprocal_R, float* gain_C, float* dx_RC, T* dxOut_RC, bool accumulate,
        float* dGain_C, float* dBias_C, int rows, int width, Normalization kind)
        where T : unmanaged, IElement<T>
    {
        for (var r = 0; r < rows; r++)
        {
            float* x = x_RC + (long)r * width, dx = dx_RC + (long)r * width;
            T* dh = dh_RC + (long)r * width, dxOut = dxOut_RC + (long)r * width;
            Vector512<float> centre = Vector512.Create(mean_R[r]), factor = Vector512.Create(reciprocal_R[r]);
            Vector512<float> sumG = default, sumGx = default;
            for (var c = 0; c < width; c += Lanes)
            {
                var d = T.Load(dh + c);
                var normal = (Vector512.Load(x + c) - centre) * factor;
                var g = d * Vector512.Load(gain_C + c);
                sumG += g;
                sumGx = Vector512.FusedMultiplyAdd(g, normal, sumGx);
                Vector512.FusedMultiplyAdd(d, normal, Vector512.Load(dGain_C + c)).Store(dGain_C + c);
                if (dBias_C != null)
                    (Vector512.Load(dBias_C + c) + d).Store(dBias_C + c);
            }

            var meanG = kind == Normalization.LayerNorm ? Vector512.Create(Vector512.Sum(sumG) / width) : Vector512<float>.Zero;
            var meanGx = Vector512.Create(Vector512.Sum(sumGx) / width);
            for (var c = 0; c < width; c += Lanes)
            {
                var normal = (Vector512.Load(x + c) - centre) * factor;
                var g = T.Load(dh + c) * Vector512.Load(gain_C + c);
                var value = (g - meanG - normal * meanGx) * factor;
                if (accumulate)
                    value += Vector512.Load(dx + c);
                value.Store(dx + c);
                T.Store(dxOut + c, value);
            }
        }
    }

    /// <summary>SwiGLU: out = silu(gate + b) · (up + b); a row of <paramref name="up_R2F"/> is gate then up.</summary>
    public static void Swiglu<T>(T* up_R2F, float* bias_2F, T* out_RF, int rows, int hidden)
        where T : unmanaged, IElement<T>
    {
        for (var r = 0; r < rows; r++)
        {
            T* gateRow = up_R2F + (long)r * 2 * hidden, upRow = gateRow + hidden, outRow = out_RF + (long)r * hidden;
            for (var c = 0; c < hidden; c += Lanes)
            {
                Vector512<float> gate = T.Load(gateRow + c), up = T.Load(upRow + c);
                if (bias_2F != null)
                {
                    gate += Vector512.Load(bias_2F + c);
                    up += Vector512.Load(bias_2F + hidden + c);
                }

                T.Store(outRow + c, gate * VectorMath.Sigmoid(gate) * up);
            }
        }
    }

    /// <summary>SwiGLU's backward pass, written over the saved input: d(gate) and d(up) take the place of gate and up.</summary>
    public static void SwigluBackward<T>(T* up_R2F, float* bias_2F, T* dOut_RF, int rows, int hidden)
        where T : unmanaged, IElement<T>
    {
        var one = Vector512<float>.One;
        for (var r = 0; r < rows; r++)
        {
            T* gateRow = up_R2F + (long)r * 2 * hidden, upRow = gateRow + hidden, dRow = dOut_RF + (long)r * hidden;
            for (var c = 0; c < hidden; c += Lanes)
            {
                Vector512<float> gate = T.Load(gateRow + c), up = T.Load(upRow + c), d = T.Load(dRow + c);
                if (bias_2F != null)
                {
                    gate += Vector512.Load(bias_2F + c);
                    up += Vector512.Load(bias_2F + hidden + c);
                }

                var sigmoid = VectorMath.Sigmoid(gate);
                var silu = gate * sigmoid;
                T.Store(upRow + c, d * silu);
                T.Store(gateRow + c, d * up * (sigmoid + silu * (one - sigmoid)));
            }
        }
    }

    /// <summary>GELU in its tanh form: x · σ(2u), u = √(2/π) · (x + 0.044715 x³).</summary>
    public static void Gelu<T>(T* up_RF, float* bias_F, T* out_RF, int rows, int hidden)
        where T : unmanaged, IElement<T>
    {
        for (var r = 0; r < rows; r++)
        {
            T* upRow = up_RF + (long)r * hidden, outRow = out_RF + (long)r * hidden;
            for (var c = 0; c < hidden; c += Lanes)
            {
                var x = T.Load(upRow + c);
                if (bias_F != null)
                    x += Vector512.Load(bias_F + c);
                T.Store(outRow + c, x * GeluSigmoid(x, out _));
            }
        }
    }

    /// <summary>GELU's backward pass, written over the saved input.</summary>
    public static void GeluBackward<T>(T* up_RF, float* bias_F, T* dOut_RF, int rows, int hidden)
        where T : unmanaged, IElement<T>
    {
        var one = Vector512<float>.One;
        for (var r = 0; r < rows; r++)
        {
            T* upRow = up_RF + (long)r * hidden, dRow = dOut_RF + (long)r * hidden;
            for (var c = 0; c < hidden; c += Lanes)
            {
                var x = T.Load(upRow + c);
                if (bias_F != null)
                    x += Vector512.Load(bias_F + c);
                var sigmoid = GeluSigmoid(x, out var slope);
                T.Store(upRow + c, T.Load(dRow + c) * (sigmoid + x * sigmoid * (one - sigmoid) * slope));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> GeluSigmoid(Vector512<float> x, out Vector512<float> slope)
    {
        const float twiceRoot = 1.5957691216057308f, cubic = 0.044715f; // 2√(2/π)
        var square = x * x;
        slope = Vector512.FusedMultiplyAdd(square, Vector512.Create(3 * cubic * twiceRoot), Vector512.Create(twiceRoot));
        return VectorMath.Sigmoid(x * Vector512.FusedMultiplyAdd(square, Vector512.Create(cubic * twiceRoot), Vector512.Create(twiceRoot)));
    }

    /// <summary>dbias += Σ over rows of dy.</summary>
    public static void BiasBackward<T>(T* dy_RC, float* dBias_C, int rows, int width)
        where T : unmanaged, IElement<T>
    {
        for (var r = 0; r < rows; r++)
        {
            var row = dy_RC + (long)r * width;
            for (var c = 0; c < width; c += Lanes)
                (Vector512.Load(dBias_C + c) + T.Load(row + c)).Store(dBias_C + c);
        }
    }

    /// <summary>destination += source, both of <paramref name="count"/> elements, a multiple of 16.</summary>
    public static void Accumulate<T>(float* destination, T* source, long count)
        where T : unmanaged, IElement<T>
    {
        for (long i = 0; i < count; i += Lanes)
            (Vector512.Load(destination + i) + T.Load(source + i)).Store(destination + i);
    }

    /// <summary>destination = source, both of <paramref name="count"/> elements, a multiple of 16.</summary>
    public static void Widen<T>(float* destination, T* source, long count)
        where T : unmanaged, IElement<T>
    {
        for (long i = 0; i < count; i += Lanes)
            T.Load(source + i).Store(destination + i);
    }

    private static void Add(float* destination, float* source, int count)
    {
        for (var c = 0; c < count; c += Lanes)
            (Vector512.Load(destination + c) + Vector512.Load(source + c)).Store(destination + c);
    }
}
