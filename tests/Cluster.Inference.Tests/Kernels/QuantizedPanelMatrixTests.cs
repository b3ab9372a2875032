using System.Runtime.Intrinsics.X86;
using Cluster.Core.Randomness;
using Cluster.Inference.Kernels;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Tests.Kernels;

public unsafe class QuantizedPanelMatrixTests
{
    private const int Rows = 7;

    public static TheoryData<WeightFormat, int, int> Sizes()
    {
        var data = new TheoryData<WeightFormat, int, int>();
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            foreach (var (outputs, inputs) in ((int, int)[])[(16, 16), (64, 32), (80, 48), (208, 144), (272, 80)])
                data.Add(format, outputs, inputs);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Multiply_Int8Activations_SameBitsAsNaiveOnEveryPath(WeightFormat format, int outputs, int inputs)
    {
        var matrix = RowQuantizer.Quantize(Normal(outputs * inputs, 1), outputs, inputs, format);
        var x = Normal(Rows * inputs, 2);
        x.AsSpan(inputs, inputs).Clear(); // A row of zeros has no scale.
        foreach (var path in Enum.GetValues<IntegerPath>().Where(Supported))
            Check(matrix, ActivationFormat.Int8, path, x, (row, output) => Integer(matrix, x.AsSpan(row * inputs, inputs), output));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Multiply_Fp32Activations_SameBitsAsNaive(WeightFormat format, int outputs, int inputs)
    {
        var matrix = RowQuantizer.Quantize(Normal(outputs * inputs, 1), outputs, inputs, format);
        var x = Normal(Rows * inputs, 2);
        Check(matrix, ActivationFormat.Fp32, QuantizedPanelMatrix.Widest, x, (row, output) =>
        {
            var y = 0f;
            for (var start = 0; start < inputs; start += format.Group)
            {
                var sum = 0f;
                for (var i = start; i < Math.Min(inputs, start + format.Group); i++)
                    sum = MathF.FusedMultiplyAdd(x[row * inputs + i], matrix.Code(output, i), sum);
                y = MathF.FusedMultiplyAdd(sum, matrix.Scale(output, start), y);
            }

            return y;
        });
    }

    // Every product as large as it can be, of every sign: where pairs of bytes are added in 16 bits, nothing may saturate.
    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int8Group)]
    [InlineData(WeightFormat.Int4Group)]
    public void Multiply_LargestCodes_SumIsExact(WeightFormat format)
    {
        const int outputs = 64, inputs = 3072;
        var codes = new byte[outputs * inputs * format.Bits / 8];
        for (var o = 0; o < outputs; o++)
        {
            for (var i = 0; i < inputs; i++)
            {
                var code = o % 4 == 0 || (o % 4 == 1 && i % 2 == 0) ? format.Highest : format.Lowest;
                var at = o * inputs + i;
                if (format.Bits == 8)
                    codes[at] = (byte)code;
                else
                    codes[at / 2] |= (byte)((code + 8) << (4 * (at % 2)));
            }
        }

        var matrix = new QuantizedMatrix(format, outputs, inputs, codes, [.. Enumerable.Repeat((ushort)0x3F80, outputs * format.GroupsOf(inputs))]);
        var x = new float[Rows * inputs];
        for (var r = 0; r < Rows; r++)
        {
            for (var i = 0; i < inputs; i++)
                x[r * inputs + i] = r % 3 == 0 || (r % 3 == 1 && i % 2 == 0) ? 127 : -127;
        }

        foreach (var path in Enum.GetValues<IntegerPath>().Where(Supported))
            Check(matrix, ActivationFormat.Int8, path, x, (row, output) => Integer(matrix, x.AsSpan(row * inputs, inputs), output));
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int8Group)]
    [InlineData(WeightFormat.Int4Group)]
    public void ReadRow_AnyOutput_IsItsWeights(WeightFormat format)
    {
        const int outputs = 144, inputs = 80;
        var matrix = RowQuantizer.Quantize(Normal(outputs * inputs, 3), outputs, inputs, format);
        using var arena = new NativeArena(QuantizedPanelMatrix.PackedBytes(format, outputs, inputs));
        var packed = QuantizedPanelMatrix.Pack(matrix, ActivationFormat.Int8, arena.Take(QuantizedPanelMatrix.PackedBytes(format, outputs, inputs)));
        var expected = matrix.Dequantize();
        var row = stackalloc float[inputs];
        for (var o = 0; o < outputs; o++)
        {
            packed.ReadRow(o, row);
            Assert.Equal(expected.AsSpan(o * inputs, inputs).ToArray(), new ReadOnlySpan<float>(row, inputs).ToArray());
        }
    }

    [Fact]
    public void Multiply_NotANumber_ReachesItsRowOnly()
    {
        const int outputs = 64, inputs = 64;
        var matrix = RowQuantizer.Quantize(Normal(outputs * inputs, 1), outputs, inputs, WeightFormat.Int8);
        var x = Normal(Rows * inputs, 2);
        x[3 * inputs + 5] = float.NaN;
        foreach (var path in Enum.GetValues<IntegerPath>().Where(Supported))
        {
            Check(matrix, ActivationFormat.Int8, path, x,
                (row, output) => row == 3 ? float.NaN : Integer(matrix, x.AsSpan(row * inputs, inputs), output));
        }
    }

    private static bool Supported(IntegerPath path) => path switch
    {
        IntegerPath.Avx512 => Avx512BW.IsSupported,
        IntegerPath.Avx2 => Avx2.IsSupported,
        _ => true,
    };

    /// <summary>A product as defined: codes of the row, exact sums of a group, one chain over the groups.</summary>
    private static float Integer(QuantizedMatrix matrix, ReadOnlySpan<float> x, int output)
    {
        var y = 0f;
        for (var start = 0; start < matrix.Columns; start += matrix.Format.Group)
        {
            var group = x[start..Math.Min(matrix.Columns, start + matrix.Format.Group)];
            var top = 0f;
            foreach (var value in group)
                top = MathF.Max(top, MathF.Abs(value));
            float inverse = top == 0 ? 0 : 127 / top, scale = top / 127;
            long sum = 0;
            for (var i = 0; i < group.Length; i++)
                sum += (int)MathF.Round(group[i] * inverse) * matrix.Code(output, start + i);
            y = MathF.FusedMultiplyAdd(sum, matrix.Scale(output, start) * scale, y);
        }

        return y;
    }

    /// <summary>All numbers of rows, whole and panel by panel; outputs that are not asked for stay as they are.</summary>
    private static void Check(QuantizedMatrix matrix, ActivationFormat activations, IntegerPath path, float[] x, Func<int, int, float> expected)
    {
        int outputs = matrix.Rows, inputs = matrix.Columns;
        var packed = QuantizedPanelMatrix.PackedBytes(matrix.Format, outputs, inputs);
        using var arena = new NativeArena(NativeArena.Align(packed) + (Rows * (4L * inputs + 4L * outputs)) + 256 + (Rows * (2L * inputs + 256 + (8L * inputs / 16))));
        var product = QuantizedPanelMatrix.Pack(matrix, activations, arena.Take(packed), path);
        Assert.True(product.Bytes == packed);
        float* rows = (float*)arena.Take(Rows * inputs * 4), y = (float*)arena.Take(Rows * outputs * 4);
        var prepared = (byte*)arena.Take(Rows * product.PreparedBytes);
        x.CopyTo(new Span<float>(rows, Rows * inputs));
        var wanted = new float[Rows * outputs];
        for (var at = 0; at < wanted.Length; at++)
            wanted[at] = expected(at / outputs, at % outputs);
        for (var count = 1; count <= Rows; count++)
        {
            new Span<float>(y, Rows * outputs).Fill(-1e30f);
            product.Prepare(rows, prepared, count);
            product.Multiply(rows, prepared, y, count, 0, product.Panels);
            for (var at = 0; at < wanted.Length; at++)
                Assert.Equal(at < count * outputs ? wanted[at] : -1e30f, y[at]);
        }

        new Span<float>(y, Rows * outputs).Fill(-1e30f);
        product.Multiply(rows, prepared, y, Rows, product.Panels - 1, 1);
        for (var at = 0; at < wanted.Length; at++)
            Assert.Equal(at % outputs >= (product.Panels - 1) * PanelMatrix.Panel ? wanted[at] : -1e30f, y[at]);
    }

    private static float[] Normal(int count, ulong stream)
    {
        var values = new float[count];
        new CounterRandom(11, RandomPurpose.Synthetic, stream).Normal(values, 1);
        return values;
    }
}
