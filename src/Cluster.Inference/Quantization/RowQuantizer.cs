// Weights to codes and scales. Enters: a matrix, and how much an error at each input feature matters. Leaves: codes and scales.
// Does not know: where weights come from, how importance was measured.
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Quantization;

/// <summary>
/// Chooses, for each group of a row by itself, the scale and codes that minimise Σ importance · (weight − scale · code)². Candidate
/// scales around largest magnitude / largest code are tried; each is then replaced by the least-squares scale of its codes,
/// Σ importance · weight · code / Σ importance · code², and the best one is kept: the search of ggml's make_qx_quants (llama.cpp,
/// ggml-quants.c). With importance = the mean square of the input feature over calibration text the sum is the expected square
/// of the output's error with correlations between features left out, the diagonal of the Hessian of Frantar et al., "GPTQ", 2022,
/// equation 1, and llama.cpp's importance matrix. A row's result depends on that row only.
/// </summary>
public static class RowQuantizer
{
    private const int Lanes = 16;

    // Candidates shift the largest code by so many steps of so much: a smaller code clips nothing and a larger one clips the tail.
    private const int Candidates = 9;

    /// <param name="weights">[rows, columns], finite.</param>
    /// <param name="rows">Output features.</param>
    /// <param name="columns">Input features, a multiple of 16.</param>
    /// <param name="format">To be had.</param>
    /// <param name="importance">[columns], at least 0; empty for equal ones.</param>
    /// <exception cref="ArgumentException">A weight is not finite.</exception>
    public static QuantizedMatrix Quantize(ReadOnlyMemory<float> weights, int rows, int columns, WeightFormat format, ReadOnlyMemory<float> importance = default)
    {
        if (weights.Length != (long)rows * columns)
            throw new ArgumentException($"{weights.Length} weights for {rows} × {columns}", nameof(weights));
        if (!importance.IsEmpty && importance.Length != columns)
            throw new ArgumentException($"{importance.Length} importances for {columns} columns", nameof(importance));
        foreach (var weight in weights.Span)
        {
            if (!float.IsFinite(weight))
                throw new ArgumentException($"a weight is {weight}", nameof(weights));
        }

        var groups = format.GroupsOf(columns);
        var codes = new byte[(long)rows * columns * format.Bits / 8];
        var scales = new ushort[rows * groups];
        // A feature that calibration never saw still gets a code near its weight.
        var matters = new float[columns];
        if (importance.IsEmpty)
        {
            Array.Fill(matters, 1);
        }
        else
        {
            var floor = Math.Max(1e-3f * Mean(importance.Span), 1e-30f);
            for (var i = 0; i < columns; i++)
                matters[i] = importance.Span[i] + floor;
        }

        Parallel.For(0, rows, row =>
        {
            Span<float> best = new float[Math.Min(columns, format.Group)], tried = new float[best.Length];
            for (var group = 0; group < groups; group++)
            {
                var start = group * format.Group;
                var length = Math.Min(format.Group, columns - start);
                var scale = Search(weights.Span.Slice(row * columns + start, length), matters.AsSpan(start, length), format, best[..length], tried[..length]);
                scales[row * groups + group] = scale;
                Write(best[..length], format, codes.AsSpan((int)(((long)row * columns + start) * format.Bits / 8)));
            }
        });
        return new QuantizedMatrix(format, rows, columns, codes, scales);
    }

    private static ushort Search(ReadOnlySpan<float> weights, ReadOnlySpan<float> importance, WeightFormat format, Span<float> best, Span<float> tried)
    {
        var largest = 0f;
        foreach (var weight in weights)
            largest = MathF.Abs(weight) > MathF.Abs(largest) ? weight : largest;
        best.Clear();
        if (MathF.Abs(largest) < 1e-30f)
            return 0;
        ushort chosen = 0;
        var least = Error(weights, importance, best, 0);
        // With one code more on the negative side, the largest magnitude takes it: a scale may be negative.
        for (var sign = 1; sign >= (format.Lowest < -format.Highest ? -1 : 1); sign -= 2)
        {
            float reach = sign < 0 ? format.Lowest : format.Highest, step = format.Bits == 4 ? 0.2f : 3f;
            var end = sign < 0 ? largest : MathF.Abs(largest);
            for (var candidate = -Candidates / 2; candidate <= Candidates / 2; candidate++)
            {
                var scale = end / (reach + MathF.Sign(reach) * step * candidate);
                for (var pass = 0; pass < 2; pass++)
                {
                    var rounded = BFloat16.Round(scale);
                    var value = BFloat16.Widen(rounded);
                    if (value == 0 || !float.IsFinite(1 / value))
                        break;
                    Encode(weights, 1 / value, format, tried);
                    var error = Error(weights, importance, tried, value);
                    if (error < least)
                    {
                        (least, chosen) = (error, rounded);
                        tried.CopyTo(best);
                    }

                    scale = LeastSquares(weights, importance, tried);
                }
            }
        }

        return chosen;
    }

    private static void Encode(ReadOnlySpan<float> weights, float inverse, WeightFormat format, Span<float> codes)
    {
        Vector512<float> factor = Vector512.Create(inverse), low = Vector512.Create((float)format.Lowest), high = Vector512.Create((float)format.Highest);
        for (var i = 0; i < weights.Length; i += Lanes)
            Vector512.Min(Vector512.Max(Vector512.Round(Vector512.Create(weights[i..]) * factor), low), high).CopyTo(codes[i..]);
    }

    private static float Error(ReadOnlySpan<float> weights, ReadOnlySpan<float> importance, ReadOnlySpan<float> codes, float scale)
    {
        Vector512<float> sum = default, factor = Vector512.Create(scale);
        for (var i = 0; i < weights.Length; i += Lanes)
        {
            var off = Vector512.Create(weights[i..]) - Vector512.Create(codes[i..]) * factor;
            sum += off * off * Vector512.Create(importance[i..]);
        }

        return Vector512.Sum(sum);
    }

    private static float LeastSquares(ReadOnlySpan<float> weights, ReadOnlySpan<float> importance, ReadOnlySpan<float> codes)
    {
        Vector512<float> cross = default, square = default;
        for (var i = 0; i < weights.Length; i += Lanes)
        {
            var code = Vector512.Create(codes[i..]);
            var weighed = code * Vector512.Create(importance[i..]);
            cross += weighed * Vector512.Create(weights[i..]);
            square += weighed * code;
        }

        return Vector512.Sum(cross) / Vector512.Sum(square);
    }

    private static void Write(ReadOnlySpan<float> codes, WeightFormat format, Span<byte> bytes)
    {
        if (format.Bits == 8)
        {
            for (var i = 0; i < codes.Length; i++)
                bytes[i] = (byte)(sbyte)codes[i];
            return;
        }

        for (var i = 0; i < codes.Length; i += 2)
            bytes[i / 2] = (byte)(((int)codes[i] + 8) | (((int)codes[i + 1] + 8) << 4));
    }

    private static float Mean(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (var value in values)
            sum += value;
        return (float)(sum / values.Length);
    }
}
