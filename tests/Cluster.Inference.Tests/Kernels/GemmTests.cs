using Cluster.Core.Randomness;
using Cluster.Inference.Kernels;
using CsCheck;

namespace Cluster.Inference.Tests.Kernels;

public unsafe class GemmTests
{
    /// <summary>Sizes around every bound: 1, the small tile, the tile 12 × 32, transposed blocks of 16, chains of 256, blocks of 240 and 1,024.</summary>
    public static TheoryData<int, int, int> Sizes() => new()
    {
        { 1, 1, 1 }, { 1, 32, 16 }, { 3, 5, 7 }, { 4, 31, 15 }, { 5, 33, 17 }, { 11, 16, 255 }, { 12, 32, 256 }, { 13, 48, 257 }, { 16, 16, 16 },
        { 17, 64, 512 }, { 48, 96, 48 }, { 61, 1, 300 }, { 239, 40, 33 }, { 240, 64, 64 }, { 241, 65, 271 }, { 500, 20, 20 }, { 20, 1024, 20 },
        { 14, 1057, 530 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Multiply_EveryForm_EqualsFloat64(int m, int n, int k)
    {
        using var gemm = new Gemm();
        foreach (var (aTransposed, bTransposed, add) in Forms())
            CheckAgainstFloat64(gemm, m, n, k, aTransposed, bTransposed, add);
    }

    [Fact]
    public void Multiply_RandomSizesAndForms_EqualsFloat64()
    {
        using var gemm = new Gemm();
        Gen.Select(Gen.Int[1, 90], Gen.Int[1, 90], Gen.Int[1, 600], Gen.Bool, Gen.Bool, Gen.Bool).Sample((m, n, k, aTransposed, bTransposed, add) =>
            CheckAgainstFloat64(gemm, m, n, k, aTransposed, bTransposed, add), iter: 100, threads: 1, seed: "0000KMp5GQa0");
    }

    [Fact]
    public void Multiply_AnyBlockOfTheResultAlone_SameBits()
    {
        const int M = 260, N = 1100, K = 300;
        // (first row, rows, first column, columns) across every kind of edge.
        (int, int, int, int)[] blocks =
            [(0, 1, 0, 1), (7, 1, 0, N), (0, M, 31, 1), (5, 13, 17, 33), (1, 11, 1, 31), (239, 20, 1020, 70), (3, 200, 2, 64)];
        using var gemm = new Gemm();
        foreach (var (aTransposed, bTransposed, add) in Forms())
        {
            float[] a = Values(M * K, 1), b = Values(K * N, 2), before = Values(M * N, 3);
            var whole = Product(gemm, M, N, K, a, b, aTransposed, bTransposed, add ? before : null);
            foreach (var (row, rows, column, columns) in blocks)
            {
                var part = new float[rows * columns];
                for (var i = 0; i < rows; i++)
                    before.AsSpan((row + i) * N + column, columns).CopyTo(part.AsSpan(i * columns));
                fixed (float* pa = a, pb = b, pc = part)
                {
                    gemm.Multiply(rows, columns, K, aTransposed ? new GemmOperand(pa + row, M, true) : new GemmOperand(pa + row * K, K),
                        bTransposed ? new GemmOperand(pb + column * K, K, true) : new GemmOperand(pb + column, N), pc, columns, add);
                }

                for (var i = 0; i < rows; i++)
                    Assert.Equal(Bits(whole.AsSpan((row + i) * N + column, columns)), Bits(part.AsSpan(i * columns, columns)));
            }
        }
    }

    [Fact]
    public void Multiply_EveryForm_SameBits()
    {
        const int M = 77, N = 83, K = 530;
        using var gemm = new Gemm();
        float[] a = Values(M * K, 1), b = Values(K * N, 2);
        var expected = Bits(Product(gemm, M, N, K, a, b, false, false, null));
        Assert.Equal(expected, Bits(Product(gemm, M, N, K, Transpose(a, M, K), b, true, false, null)));
        Assert.Equal(expected, Bits(Product(gemm, M, N, K, a, Transpose(b, K, N), false, true, null)));
        Assert.Equal(expected, Bits(Product(gemm, M, N, K, Transpose(a, M, K), Transpose(b, K, N), true, true, null)));
    }

    [Fact]
    public void Multiply_ContractedStepsSwapped_OtherBits()
    {
        // The negative control of the tests above: another order of the same additions is seen in the bits.
        const int M = 24, N = 64, K = 64;
        using var gemm = new Gemm();
        float[] a = Values(M * K, 1), b = Values(K * N, 2);
        var expected = Product(gemm, M, N, K, a, b, false, false, null);
        for (var i = 0; i < M; i++)
            (a[i * K], a[i * K + 40]) = (a[i * K + 40], a[i * K]);
        for (var j = 0; j < N; j++)
            (b[j], b[40 * N + j]) = (b[40 * N + j], b[j]);
        Assert.NotEqual(Bits(expected), Bits(Product(gemm, M, N, K, a, b, false, false, null)));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Multiply_MoreThreads_SameBits(int threads)
    {
        using var one = new Gemm();
        using var more = new Gemm(threads);
        foreach (var (m, n, k) in ((int, int, int)[])[(600, 150, 300), (100, 1500, 270), (1, 40_000, 130), (5, 7, 9), (256, 256, 256)])
        {
            float[] a = Values(m * k, 1), b = Values(k * n, 2);
            foreach (var (aTransposed, bTransposed, add) in Forms())
            {
                var before = add ? Values(m * n, 3) : null;
                var expected = Product(one, m, n, k, a, b, aTransposed, bTransposed, before);
                Assert.Equal(Bits(expected), Bits(Product(more, m, n, k, a, b, aTransposed, bTransposed, before)));
            }
        }
    }

    [Fact]
    public void Multiply_InfinityAndNaN_ReachTheirOwnElementsOnly()
    {
        const int M = 14, N = 40, K = 20;
        using var gemm = new Gemm();
        float[] a = Values(M * K, 1), b = Values(K * N, 2);
        a[13 * K] = float.PositiveInfinity;
        b[39] = float.NaN;
        var c = Product(gemm, M, N, K, a, b, false, false, null);
        for (var i = 0; i < M; i++)
        {
            for (var j = 0; j < N; j++)
                Assert.Equal(i != 13 && j != 39, float.IsFinite(c[i * N + j]));
        }
    }

    [Fact]
    public void Multiply_AfterConstruction_AllocatesNothing()
    {
        using var gemm = new Gemm(2);
        float[] a = Values(256 * 256, 1), b = Values(256 * 256, 2), c = new float[256 * 256];
        fixed (float* pa = a, pb = b, pc = c)
        {
            for (var i = 0; i < 3; i++)
                gemm.Multiply(256, 256, 256, new GemmOperand(pa, 256), new GemmOperand(pb, 256, true), pc, 256);
            var before = GC.GetAllocatedBytesForCurrentThread();
            gemm.Multiply(256, 256, 256, new GemmOperand(pa, 256), new GemmOperand(pb, 256, true), pc, 256);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    private static IEnumerable<(bool ATransposed, bool BTransposed, bool Add)> Forms() =>
        [(false, true, false), (false, false, false), (true, false, false), (true, true, false), (false, true, true), (true, false, true)];

    private static void CheckAgainstFloat64(Gemm gemm, int m, int n, int k, bool aTransposed, bool bTransposed, bool add)
    {
        float[] a = Values(m * k, 1), b = Values(k * n, 2);
        var before = add ? Values(m * n, 3) : null;
        var c = Product(gemm, m, n, k, a, b, aTransposed, bTransposed, before);
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                double sum = before?[i * n + j] ?? 0, size = Math.Abs(sum);
                for (var s = 0; s < k; s++)
                {
                    var term = (double)a[aTransposed ? s * m + i : i * k + s] * b[bTransposed ? j * k + s : s * n + j];
                    (sum, size) = (sum + term, size + Math.Abs(term));
                }

                // Far above the rounding of a chain of 256, far below one term lost.
                Assert.True(Math.Abs(sum - c[i * n + j]) <= 2e-6 * size, $"{m}×{n}×{k} at ({i}, {j}): {c[i * n + j]} instead of {sum}");
            }
        }
    }

    private static float[] Product(Gemm gemm, int m, int n, int k, float[] a, float[] b, bool aTransposed, bool bTransposed, float[]? before)
    {
        // Garbage first: what is not overwritten shows; a sentinel behind the result shows what is written too far.
        float[] c = [.. before ?? Enumerable.Repeat(float.NaN, m * n), 42f];
        fixed (float* pa = a, pb = b, pc = c)
        {
            gemm.Multiply(m, n, k, new GemmOperand(pa, aTransposed ? m : k, aTransposed), new GemmOperand(pb, bTransposed ? k : n, bTransposed),
                pc, n, before is not null);
        }

        Assert.Equal(42f, c[^1]);
        return c[..^1];
    }

    private static float[] Transpose(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, rows * columns).Select(i => values[i % rows * columns + i / rows])];

    private static uint[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new uint[values.Length];
        for (var i = 0; i < bits.Length; i++)
            bits[i] = BitConverter.SingleToUInt32Bits(values[i]);
        return bits;
    }

    private static float[] Values(int count, ulong stream)
    {
        var random = new CounterRandom(11, RandomPurpose.Synthetic, stream);
        return [.. Enumerable.Range(0, count).Select(i => (float)(2 * random.Double((ulong)i) - 1))];
    }
}
