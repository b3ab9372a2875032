using Cluster.Core.Randomness;
using Cluster.Inference.Kernels;
using Cluster.Inference.Managed;

namespace Cluster.Inference.Tests.Kernels;

public unsafe class PanelMatrixTests
{
    [Theory]
    [InlineData(16, 16)]
    [InlineData(144, 40)]
    [InlineData(272, 33)]
    [InlineData(320, 128)]
    public void Multiply_EqualsChainOfMultiplyAdds_Exactly(int outputs, int inputs)
    {
        var weights = Normal(outputs * inputs, 1);
        Check<Fp32Weight>(outputs, inputs, weights, weights);
        Check<Bf16Weight>(outputs, inputs, weights, [.. weights.Select(NearestBf16)]);
    }

    [Fact]
    public void Bf16_TieBetweenNeighbours_GoesToEven()
    {
        Assert.Equal(1f, NearestBf16(1 + 1f / 256));
        Assert.Equal(1 + 2f / 128, NearestBf16(1 + 3f / 256));
        Check<Bf16Weight>(16, 2, [.. Enumerable.Repeat(1 + 1f / 256, 32)], [.. Enumerable.Repeat(1f, 32)]);
    }

    private static void Check<T>(int outputs, int inputs, float[] weights, float[] rounded)
        where T : unmanaged, IPanelWeight<T>
    {
        const int rows = 7;
        using var arena = new NativeArena(PanelMatrix<T>.PackedCount(outputs, inputs) * sizeof(T) + rows * (NativeArena.Align(inputs * 4) + NativeArena.Align(outputs * 4)));
        var matrix = new PanelMatrix<T>(weights, outputs, inputs, (T*)arena.Take(PanelMatrix<T>.PackedCount(outputs, inputs) * sizeof(T)));
        float* x = (float*)arena.Take(rows * inputs * 4), y = (float*)arena.Take(rows * outputs * 4);
        Normal(rows * inputs, 2).CopyTo(new Span<float>(x, rows * inputs));
        for (var count = 1; count <= rows; count++)
        {
            new Span<float>(y, rows * outputs).Fill(float.NaN);
            // In two calls: where the panels are cut leaves no trace.
            matrix.Multiply(x, null, y, count, 0, count % matrix.Panels);
            matrix.Multiply(x, null, y, count, count % matrix.Panels, matrix.Panels - count % matrix.Panels);
            for (var r = 0; r < rows; r++)
            {
                for (var o = 0; o < outputs; o++)
                {
                    var sum = 0f;
                    for (var i = 0; i < inputs; i++)
                        sum = MathF.FusedMultiplyAdd(x[r * inputs + i], rounded[o * inputs + i], sum);
                    Assert.Equal(r < count ? sum : float.NaN, y[r * outputs + o]);
                }
            }
        }
    }

    /// <summary>The nearest of all bfloat16 numbers, found among the two neighbours.</summary>
    private static float NearestBf16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        float low = BitConverter.UInt32BitsToSingle(bits & 0xFFFF0000), high = BitConverter.UInt32BitsToSingle((bits & 0xFFFF0000) + 0x10000);
        double down = Math.Abs((double)value - low), up = Math.Abs((double)high - value);
        return down < up || (down == up && (bits & 0x10000) == 0) ? low : high;
    }

    private static float[] Normal(int count, ulong stream)
    {
        var values = new float[count];
        new CounterRandom(11, RandomPurpose.Synthetic, stream).Normal(values, 1);
        return values;
    }
}
