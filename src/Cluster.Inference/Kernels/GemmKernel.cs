// The innermost loops of the fp32 matrix product: tiles of c held in vector registers while one packed panel of a and one of b
// go by. Enters: packed panels. Leaves: a tile of c. Does not know: operand layouts, blocking, edges.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Inference.Kernels;

/// <summary>
/// Micro-kernels of <see cref="Gemm"/> (Van Zee and van de Geijn, BLIS, 2015). The 12 × 32 tile takes 24 accumulators, two vectors of b
/// and one broadcast of a: 27 of AVX-512's 32 registers, and with two multiply-adds a cycle of latency 4 three times what is needed to
/// hide it. Written out, since the compiler keeps only named locals in registers.
/// </summary>
internal static unsafe class GemmKernel
{
    /// <summary>Rows of a panel of a.</summary>
    public const int PanelRows = 12;

    /// <summary>Columns of a panel of b.</summary>
    public const int PanelColumns = 32;

    /// <summary>Steps of the contracted dimension that lie side by side in a row of a panel of a.</summary>
    public const int Chunk = 16;

    /// <summary>Rows of the small tile.</summary>
    public const int SmallRows = 4;

    /// <summary>c[12, 32] (+)= a · b; every element is one chain of fused multiply-adds from 0 in the order of the contracted dimension.</summary>
    /// <param name="a">[chunks, 12, 16].</param>
    /// <param name="b">[16 · chunks, 32].</param>
    /// <param name="c">The tile's first element.</param>
    /// <param name="stride">From a row of c to the next.</param>
    /// <param name="chunks">At least 1.</param>
    /// <param name="add">Adds the chain to c instead of overwriting it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile(float* a, float* b, float* c, nint stride, int chunks, bool add)
    {
        if (Sse.IsSupported)
            Fetch(c, stride);

        Vector512<float> c00 = Vector512<float>.Zero, c01 = c00;
        Vector512<float> c10 = Vector512<float>.Zero, c11 = c10;
        Vector512<float> c20 = Vector512<float>.Zero, c21 = c20;
        Vector512<float> c30 = Vector512<float>.Zero, c31 = c30;
        Vector512<float> c40 = Vector512<float>.Zero, c41 = c40;
        Vector512<float> c50 = Vector512<float>.Zero, c51 = c50;
        Vector512<float> c60 = Vector512<float>.Zero, c61 = c60;
        Vector512<float> c70 = Vector512<float>.Zero, c71 = c70;
        Vector512<float> c80 = Vector512<float>.Zero, c81 = c80;
        Vector512<float> c90 = Vector512<float>.Zero, c91 = c90;
        Vector512<float> c100 = Vector512<float>.Zero, c101 = c100;
        Vector512<float> c110 = Vector512<float>.Zero, c111 = c110;
        do
        {
            var end = a + Chunk;
            do
            {
                Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), x;
                x = Vector512.Create(*a);
                c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
                x = Vector512.Create(a[1 * Chunk]);
                c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
                x = Vector512.Create(a[2 * Chunk]);
                c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
                c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
                x = Vector512.Create(a[3 * Chunk]);
                c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
                c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
                x = Vector512.Create(a[4 * Chunk]);
                c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
                c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
                x = Vector512.Create(a[5 * Chunk]);
                c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
                c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
                x = Vector512.Create(a[6 * Chunk]);
                c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
                c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
                x = Vector512.Create(a[7 * Chunk]);
                c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
                c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
                x = Vector512.Create(a[8 * Chunk]);
                c80 = Vector512.FusedMultiplyAdd(x, b0, c80);
                c81 = Vector512.FusedMultiplyAdd(x, b1, c81);
                x = Vector512.Create(a[9 * Chunk]);
                c90 = Vector512.FusedMultiplyAdd(x, b0, c90);
                c91 = Vector512.FusedMultiplyAdd(x, b1, c91);
                x = Vector512.Create(a[10 * Chunk]);
                c100 = Vector512.FusedMultiplyAdd(x, b0, c100);
                c101 = Vector512.FusedMultiplyAdd(x, b1, c101);
                x = Vector512.Create(a[11 * Chunk]);
                c110 = Vector512.FusedMultiplyAdd(x, b0, c110);
                c111 = Vector512.FusedMultiplyAdd(x, b1, c111);
                a++;
                b += PanelColumns;
            }
            while (a != end);
            a += (PanelRows - 1) * Chunk;
        }
        while (--chunks > 0);

        Put(c, c00, c01, add);
        Put(c + 1 * stride, c10, c11, add);
        Put(c + 2 * stride, c20, c21, add);
        Put(c + 3 * stride, c30, c31, add);
        Put(c + 4 * stride, c40, c41, add);
        Put(c + 5 * stride, c50, c51, add);
        Put(c + 6 * stride, c60, c61, add);
        Put(c + 7 * stride, c70, c71, add);
        Put(c + 8 * stride, c80, c81, add);
        Put(c + 9 * stride, c90, c91, add);
        Put(c + 10 * stride, c100, c101, add);
        Put(c + 11 * stride, c110, c111, add);
    }

    /// <summary><see cref="Tile"/> for four rows of a panel of a, the same chain for every element; <paramref name="a"/> is the first of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SmallTile(float* a, float* b, float* c, nint stride, int chunks, bool add)
    {
        Vector512<float> c00 = Vector512<float>.Zero, c01 = c00;
        Vector512<float> c10 = Vector512<float>.Zero, c11 = c10;
        Vector512<float> c20 = Vector512<float>.Zero, c21 = c20;
        Vector512<float> c30 = Vector512<float>.Zero, c31 = c30;
        do
        {
            var end = a + Chunk;
            do
            {
                Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), x;
                x = Vector512.Create(*a);
                c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
                x = Vector512.Create(a[1 * Chunk]);
                c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
                x = Vector512.Create(a[2 * Chunk]);
                c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
                c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
                x = Vector512.Create(a[3 * Chunk]);
                c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
                c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
                a++;
                b += PanelColumns;
            }
            while (a != end);
            a += (PanelRows - 1) * Chunk;
        }
        while (--chunks > 0);

        Put(c, c00, c01, add);
        Put(c + 1 * stride, c10, c11, add);
        Put(c + 2 * stride, c20, c21, add);
        Put(c + 3 * stride, c30, c31, add);
    }

    /// <summary>Asks for the tile of c, which is needed only when the panels have gone by.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(float* c, nint stride)
    {
        for (var row = 0; row < PanelRows; row++, c += stride)
        {
            // A row of 32 floats that starts in the middle of a cache line reaches into a third.
            Sse.Prefetch0(c);
            Sse.Prefetch0(c + 16);
            Sse.Prefetch0(c + 31);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, Vector512<float> left, Vector512<float> right, bool add)
    {
        if (add)
        {
            left = Vector512.Load(c) + left;
            right = Vector512.Load(c + 16) + right;
        }

        left.Store(c);
        right.Store(c + 16);
    }
}
