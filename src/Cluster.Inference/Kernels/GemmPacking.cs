// Copies of operand blocks in the order in which the micro-kernels read them.
// Enters: a block of a row-major matrix, as it is or to be read transposed. Leaves: packed panels, padded with zeros.
// Does not know: blocking, threads, the result.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static Cluster.Inference.Kernels.GemmKernel;

namespace Cluster.Inference.Kernels;

/// <summary>Packing of operands for <see cref="GemmKernel"/>.</summary>
internal static unsafe class GemmPacking
{
    /// <summary>
    /// Packs a block of the left operand: panels of 12 rows, each [chunks, 12, 16]. A chunk of a row stays one cache line, so that a
    /// row-major operand is copied without a transposition and the kernel's broadcasts lie at constant distances.
    /// </summary>
    /// <param name="source">The block's first element.</param>
    /// <param name="stride">From a stored row to the next.</param>
    /// <param name="transposed">The block is stored as [depth, rows] instead of [rows, depth].</param>
    /// <param name="rows">Rows of the block.</param>
    /// <param name="depth">Contracted steps of the block.</param>
    /// <param name="panels">⌈rows / 12⌉ · 12 · ⌈depth / 16⌉ · 16 elements.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackLeft(float* source, nint stride, bool transposed, int rows, int depth, float* panels)
    {
        int whole = depth / Chunk, tail = depth % Chunk, chunks = whole + (tail > 0 ? 1 : 0);
        var panelSize = (nint)chunks * PanelRows * Chunk;
        if (transposed)
        {
            for (var chunk = 0; chunk < whole; chunk++)
            {
                var from = source + chunk * Chunk * stride;
                var row = 0;
                // Groups of four rows never cross a panel's end.
                for (; row + 16 <= rows; row += 16)
                    Transpose(from + row, stride, Row(row, chunk), Row(row + 4, chunk), Row(row + 8, chunk), Row(row + 12, chunk), Chunk);
                for (; row < rows; row++)
                    CopyColumn(from + row, stride, Chunk, Row(row, chunk));
            }

            for (var row = 0; row < rows && tail > 0; row++)
                CopyColumn(source + whole * Chunk * stride + row, stride, tail, Row(row, whole));
        }
        else
        {
            for (var row = 0; row < rows; row++)
            {
                float* from = source + row * stride, to = Row(row, 0);
                for (var chunk = 0; chunk < whole; chunk++, from += Chunk, to += PanelRows * Chunk)
                    Vector512.Load(from).Store(to);
                if (tail > 0)
                    CopyColumn(from, 1, tail, to);
            }
        }

        for (var row = rows; row % PanelRows != 0; row++)
        {
            for (var chunk = 0; chunk < chunks; chunk++)
                Vector512<float>.Zero.Store(Row(row, chunk));
        }

        float* Row(int row, int chunk) => panels + row / PanelRows * panelSize + (chunk * PanelRows + row % PanelRows) * Chunk;
    }

    /// <summary>Gathers up to 16 steps of one row and pads them with zeros.</summary>
    private static void CopyColumn(float* from, nint stride, int steps, float* to)
    {
        for (var k = 0; k < Chunk; k++)
            to[k] = k < steps ? from[k * stride] : 0;
    }

    /// <summary>Packs a block of the right operand: panels of 32 columns, each [16 · ⌈depth / 16⌉, 32].</summary>
    /// <param name="source">The block's first element.</param>
    /// <param name="stride">From a stored row to the next.</param>
    /// <param name="transposed">The block is stored as [columns, depth] instead of [depth, columns].</param>
    /// <param name="columns">Columns of the block.</param>
    /// <param name="depth">Contracted steps of the block.</param>
    /// <param name="panels">⌈columns / 32⌉ · 32 · ⌈depth / 16⌉ · 16 elements.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackRight(float* source, nint stride, bool transposed, int columns, int depth, float* panels)
    {
        var padded = (depth + Chunk - 1) / Chunk * Chunk;
        for (var column = 0; column < columns; column += PanelColumns)
        {
            var width = Math.Min(PanelColumns, columns - column);
            var target = panels + (nint)column * padded;
            var from = source + (transposed ? column * stride : column);
            var step = 0;
            if (width == PanelColumns && transposed)
            {
                for (; step + 16 <= depth; step += 16)
                {
                    var to = target + step * PanelColumns;
                    for (var half = 0; half < PanelColumns; half += 16, to += 16)
                    {
                        Transpose(from + half * stride + step, stride, to, to + 4 * PanelColumns, to + 8 * PanelColumns, to + 12 * PanelColumns,
                            PanelColumns);
                    }
                }
            }
            else if (width == PanelColumns)
            {
                for (; step < depth; step++)
                {
                    Vector512.Load(from + step * stride).Store(target + step * PanelColumns);
                    Vector512.Load(from + step * stride + 16).Store(target + step * PanelColumns + 16);
                }
            }

            for (; step < padded; step++)
            {
                for (var j = 0; j < PanelColumns; j++)
                {
                    var inside = step < depth && j < width;
                    target[step * PanelColumns + j] = !inside ? 0 : transposed ? from[j * stride + step] : from[step * stride + j];
                }
            }
        }
    }

    /// <summary>Writes the transpose of a 16 × 16 block: rows 0–3 to <paramref name="to0"/>, 4–7 to <paramref name="to1"/> and so on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(float* from, nint stride, float* to0, float* to1, float* to2, float* to3, nint toStride)
    {
        if (!Avx512F.IsSupported)
        {
            for (var i = 0; i < 4; i++)
            {
                for (var k = 0; k < 16; k++)
                {
                    to0[i * toStride + k] = from[k * stride + i];
                    to1[i * toStride + k] = from[k * stride + i + 4];
                    to2[i * toStride + k] = from[k * stride + i + 8];
                    to3[i * toStride + k] = from[k * stride + i + 12];
                }
            }

            return;
        }

        // In each 128-bit lane L of rIJ, after four source rows 4I … 4I + 3: their elements of column 4L + J.
        Quarter(from, stride, out var r00, out var r01, out var r02, out var r03);
        Quarter(from + 4 * stride, stride, out var r10, out var r11, out var r12, out var r13);
        Quarter(from + 8 * stride, stride, out var r20, out var r21, out var r22, out var r23);
        Quarter(from + 12 * stride, stride, out var r30, out var r31, out var r32, out var r33);
        Lanes(r00, r10, r20, r30, to0, to1, to2, to3);
        Lanes(r01, r11, r21, r31, to0 + toStride, to1 + toStride, to2 + toStride, to3 + toStride);
        Lanes(r02, r12, r22, r32, to0 + 2 * toStride, to1 + 2 * toStride, to2 + 2 * toStride, to3 + 2 * toStride);
        Lanes(r03, r13, r23, r33, to0 + 3 * toStride, to1 + 3 * toStride, to2 + 3 * toStride, to3 + 3 * toStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(
        float* from, nint stride, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3)
    {
        Vector512<float> r0 = Vector512.Load(from), r1 = Vector512.Load(from + stride);
        Vector512<float> r2 = Vector512.Load(from + 2 * stride), r3 = Vector512.Load(from + 3 * stride);
        var low01 = Avx512F.UnpackLow(r0, r1).AsDouble();
        var high01 = Avx512F.UnpackHigh(r0, r1).AsDouble();
        var low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
        var high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
        c0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        c1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        c2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        c3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Transposes a 4 × 4 matrix of 128-bit lanes into four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Lanes(
        Vector512<float> r0, Vector512<float> r1, Vector512<float> r2, Vector512<float> r3, float* to0, float* to1, float* to2, float* to3)
    {
        const byte Even = 0x88, Odd = 0xDD;
        Vector512<float> even01 = Avx512F.Shuffle4x128(r0, r1, Even), odd01 = Avx512F.Shuffle4x128(r0, r1, Odd);
        Vector512<float> even23 = Avx512F.Shuffle4x128(r2, r3, Even), odd23 = Avx512F.Shuffle4x128(r2, r3, Odd);
        Avx512F.Shuffle4x128(even01, even23, Even).Store(to0);
        Avx512F.Shuffle4x128(odd01, odd23, Even).Store(to1);
        Avx512F.Shuffle4x128(even01, even23, Odd).Store(to2);
        Avx512F.Shuffle4x128(odd01, odd23, Odd).Store(to3);
    }
}
