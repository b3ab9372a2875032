using Cluster.Core.Randomness;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Tests.Quantization;

public class RowQuantizerTests
{
    private const int Rows = 24, Columns = 208;

    public static TheoryData<WeightFormat> Formats() => [.. Enum.GetValues<WeightFormat>()];

    // Of normal weights: 8 bits over 3 to 4 deviations, a step of 1/30 deviation or less; 4 bits, a step of about a third.
    [Theory]
    [InlineData(WeightFormat.Int8, 0.011)]
    [InlineData(WeightFormat.Int8Group, 0.007)]
    [InlineData(WeightFormat.Int4Group, 0.09)]
    public void Quantize_NormalWeights_RelativeErrorWithinBound(WeightFormat format, double bound)
    {
        var weights = Normal(1);
        var error = Error(weights, RowQuantizer.Quantize(weights, Rows, Columns, format).Dequantize(), null);
        Assert.InRange(error, bound / 20, bound);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantize_Search_IsNoWorseThanLargestMagnitude(WeightFormat format)
    {
        var weights = Normal(2);
        weights[5 * Columns + 7] = 9; // One that stands out, for which the others pay.
        var plain = new float[weights.Length];
        for (var row = 0; row < Rows; row++)
        {
            for (var start = 0; start < Columns; start += format.Group)
            {
                var group = Enumerable.Range(row * Columns + start, Math.Min(format.Group, Columns - start)).ToArray();
                var scale = group.Max(i => Math.Abs(weights[i])) / format.Highest;
                foreach (var i in group)
                    plain[i] = MathF.Round(weights[i] / scale) * scale;
            }
        }

        var searched = Error(weights, RowQuantizer.Quantize(weights, Rows, Columns, format).Dequantize(), null);
        Assert.True(searched < Error(weights, plain, null), $"{searched} against {Error(weights, plain, null)}");
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantize_Importance_LowersTheErrorThatMatters(WeightFormat format)
    {
        var weights = Normal(3);
        float[] importance = [.. Enumerable.Range(0, Columns).Select(i => i % 8 == 0 ? 100f : 0.01f)];
        var blind = Error(weights, RowQuantizer.Quantize(weights, Rows, Columns, format).Dequantize(), importance);
        var seeing = Error(weights, RowQuantizer.Quantize(weights, Rows, Columns, format, importance).Dequantize(), importance);
        Assert.True(seeing < 0.97 * blind, $"{seeing} against {blind}");
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantize_Codes_StayInRangeAndZeroStaysZero(WeightFormat format)
    {
        var weights = Normal(4);
        weights.AsSpan(0, Columns).Clear();
        for (var i = 0; i < Columns; i += 2)
            weights[Columns + i] = 0;
        weights[2 * Columns] = 1e-38f;
        var matrix = RowQuantizer.Quantize(weights, Rows, Columns, format);
        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < Columns; column++)
            {
                Assert.InRange(matrix.Code(row, column), format.Lowest, format.Highest);
                if (weights[row * Columns + column] == 0)
                    Assert.Equal(0, matrix.Code(row, column));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantize_RowAlone_SameCodesAndScales(WeightFormat format)
    {
        var weights = Normal(5);
        var whole = RowQuantizer.Quantize(weights, Rows, Columns, format);
        var alone = RowQuantizer.Quantize(weights.AsMemory(7 * Columns, Columns), 1, Columns, format);
        Assert.Equal(whole.Codes.AsSpan(7 * alone.Codes.Length, alone.Codes.Length).ToArray(), alone.Codes);
        Assert.Equal(whole.Scales.AsSpan(7 * alone.Groups, alone.Groups).ToArray(), alone.Scales);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Quantize_NotFinite_Throws(float value)
    {
        var weights = Normal(6);
        weights[9] = value;
        Assert.Throws<ArgumentException>(() => RowQuantizer.Quantize(weights, Rows, Columns, WeightFormat.Int8));
    }

    /// <summary>Root of the weighed mean square error, relative to the weights.</summary>
    private static double Error(float[] weights, float[] stored, float[]? importance)
    {
        double error = 0, size = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            double matters = importance?[i % Columns] ?? 1, off = weights[i] - stored[i];
            error += matters * off * off;
            size += matters * weights[i] * weights[i];
        }

        return Math.Sqrt(error / size);
    }

    private static float[] Normal(ulong stream)
    {
        var values = new float[Rows * Columns];
        new CounterRandom(12, RandomPurpose.Synthetic, stream).Normal(values, 1);
        return values;
    }
}
