// The fp32 matrix product on the CPU: packed panels, blocks for the cache levels, a register-tiled kernel, threads over the result.
// Enters: operands and result as pointers into row-major memory. Leaves: the result.
// Does not know: what the matrices mean; other precisions.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static Cluster.Inference.Kernels.GemmKernel;

namespace Cluster.Inference.Kernels;

/// <summary>An operand of a matrix product, in row-major memory.</summary>
/// <param name="data">The first element; no alignment is needed.</param>
/// <param name="stride">Elements from a stored row to the next.</param>
/// <param name="transposed">The operand is the transpose of what is stored.</param>
public readonly unsafe struct GemmOperand(float* data, int stride, bool transposed = false)
{
    /// <summary>The first element.</summary>
    public float* Data { get; } = data;

    /// <summary>Elements from a stored row to the next.</summary>
    public int Stride { get; } = stride;

    /// <summary>The operand is the transpose of what is stored.</summary>
    public bool Transposed { get; } = transposed;
}

/// <summary>
/// fp32 matrix products with fused multiply-adds after Van Zee and van de Geijn (BLIS, 2015). An element of the result is a function of
/// its row of a and its column of b alone: per 256 contracted steps one chain of multiply-adds in order, the chains added in order. Its
/// bits depend neither on its place in the result nor on the other rows and columns, nor on the number of threads. Allocates nothing
/// after construction; one product at a time.
/// </summary>
public sealed unsafe class Gemm : IDisposable
{
    /// <summary>
    /// Contracted steps of a chain: a panel of b (32 KB) stays in the first cache level while panels of a go by. Decides bits.
    /// </summary>
    private const int Depth = 256;

    /// <summary>Rows of a block of a: 240 KB, for the second cache level. A multiple of 12 and 16. Decides speed only, as the next two.</summary>
    private const int BlockRows = 240;

    /// <summary>Columns of a block of b: 1 MB, for the last cache level.</summary>
    private const int BlockColumns = 1024;

    /// <summary>Multiply-adds below which waking a thread costs more than it saves.</summary>
    private const long LeastShare = 1 << 20;

    private readonly Part[] _parts;
    private readonly SemaphoreSlim _finished = new(0);
    private GemmOperand _a, _b;
    private float* _c;
    private int _m, _n, _k, _cStride, _shares;
    private bool _add;

    /// <param name="threads">Threads of one product, the caller's included; at least 1.</param>
    public Gemm(int threads = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _parts = new Part[threads];
        for (var i = 0; i < threads; i++)
            _parts[i] = new Part(this, i);
    }

    /// <summary>Threads of one product.</summary>
    public int Threads => _parts.Length;

    /// <summary>c[m, n] = a[m, k] · b[k, n], or with <paramref name="add"/> c += a · b.</summary>
    /// <param name="m">Rows of the result, at least 0.</param>
    /// <param name="n">Columns of the result, at least 0.</param>
    /// <param name="k">Contracted dimension, at least 1.</param>
    /// <param name="a">The left operand.</param>
    /// <param name="b">The right operand.</param>
    /// <param name="c">The result; overlaps neither operand.</param>
    /// <param name="cStride">Elements from a row of c to the next, at least <paramref name="n"/>.</param>
    /// <param name="add">Adds to c instead of overwriting it.</param>
    public void Multiply(int m, int n, int k, GemmOperand a, GemmOperand b, float* c, int cStride, bool add = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(cStride, n);
        (_m, _n, _k, _a, _b, _cStride, _add) = (m, n, k, a, b, cStride, add);
        _c = c;
        _shares = (int)Math.Clamp((long)m * n * k / LeastShare, 1, _parts.Length);
        if (_shares == 1)
        {
            _parts[0].Run();
            return;
        }

        for (var i = 1; i < _shares; i++)
            _parts[i].Wake();
        _parts[0].Run();
        for (var i = 1; i < _shares; i++)
            _finished.Wait();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in _parts)
            part.Dispose();
        _finished.Dispose();
    }

    /// <summary>One thread's buffers and its share of the result: rows or columns, whichever are more, so that less is packed twice.</summary>
    private sealed class Part : IDisposable
    {
        private readonly Gemm _gemm;
        private readonly int _index;
        private readonly float* _left, _right, _tile;
        private readonly SemaphoreSlim? _wake;
        private readonly Thread? _thread;
        private bool _stopping;

        public Part(Gemm gemm, int index)
        {
            (_gemm, _index) = (gemm, index);
            _left = Allocate(BlockRows * Depth);
            _right = Allocate(BlockColumns * Depth);
            _tile = Allocate(PanelRows * PanelColumns);
            if (index == 0)
                return;
            _wake = new SemaphoreSlim(0);
            _thread = new Thread(Work) { IsBackground = true, Name = $"matrix product {index}" };
            _thread.Start();
        }

        public void Wake() => _wake!.Release();

        public void Dispose()
        {
            if (_thread is not null)
            {
                _stopping = true;
                Wake();
                _thread.Join();
                _wake!.Dispose();
            }

            NativeMemory.AlignedFree(_left);
            NativeMemory.AlignedFree(_right);
            NativeMemory.AlignedFree(_tile);
        }

        private void Work()
        {
            for (; ; )
            {
                _wake!.Wait();
                if (_stopping)
                    return;
                Run();
                _gemm._finished.Release();
            }
        }

        public void Run()
        {
            var (m, n) = (_gemm._m, _gemm._n);
            if (m >= n)
            {
                var (first, last) = Share(m, PanelRows);
                Multiply(first, last, 0, n);
            }
            else
            {
                var (first, last) = Share(n, PanelColumns);
                Multiply(0, m, first, last);
            }
        }

        private (int First, int Last) Share(int size, int unit)
        {
            var units = ((long)size + unit - 1) / unit;
            return (Bound(_index), Bound(_index + 1));

            int Bound(int index) => (int)Math.Min(size, units * index / _gemm._shares * unit);
        }

        private void Multiply(int firstRow, int lastRow, int firstColumn, int lastColumn)
        {
            GemmOperand a = _gemm._a, b = _gemm._b;
            for (var column = firstColumn; column < lastColumn; column += BlockColumns)
            {
                var columns = Math.Min(BlockColumns, lastColumn - column);
                for (var step = 0; step < _gemm._k; step += Depth)
                {
                    var depth = Math.Min(Depth, _gemm._k - step);
                    GemmPacking.PackRight(At(b, step, column), b.Stride, b.Transposed, columns, depth, _right);
                    for (var row = firstRow; row < lastRow; row += BlockRows)
                    {
                        var rows = Math.Min(BlockRows, lastRow - row);
                        GemmPacking.PackLeft(At(a, row, step), a.Stride, a.Transposed, rows, depth, _left);
                        var to = _gemm._c + (nint)row * _gemm._cStride + column;
                        MultiplyBlock(rows, columns, (depth + Chunk - 1) / Chunk, to, _gemm._add || step > 0);
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void MultiplyBlock(int rows, int columns, int chunks, float* c, bool add)
        {
            nint stride = _gemm._cStride;
            for (var column = 0; column < columns; column += PanelColumns)
            {
                var b = _right + (nint)column * chunks * Chunk;
                var width = Math.Min(PanelColumns, columns - column);
                for (var row = 0; row < rows; row += PanelRows)
                {
                    var a = _left + (nint)row * chunks * Chunk;
                    var height = Math.Min(PanelRows, rows - row);
                    var to = c + row * stride + column;
                    if (height == PanelRows && width == PanelColumns)
                        Tile(a, b, to, stride, chunks, add);
                    else
                        Edge(a, b, to, height, width, chunks, add);
                }
            }
        }

        /// <summary>A tile that is not whole: computed whole beside the result, from the zeros of the padding; its part is copied.</summary>
        private void Edge(float* a, float* b, float* c, int height, int width, int chunks, bool add)
        {
            if (height == PanelRows)
                Tile(a, b, _tile, PanelColumns, chunks, add: false);
            else
            {
                for (var row = 0; row < height; row += SmallRows)
                    SmallTile(a + row * Chunk, b, _tile + row * PanelColumns, PanelColumns, chunks, add: false);
            }

            for (var row = 0; row < height; row++)
            {
                var from = new ReadOnlySpan<float>(_tile + row * PanelColumns, width);
                var to = new Span<float>(c + (nint)row * _gemm._cStride, width);
                if (!add)
                {
                    from.CopyTo(to);
                    continue;
                }

                for (var j = 0; j < width; j++)
                    to[j] += from[j];
            }
        }

        private static float* At(GemmOperand operand, int row, int column) =>
            operand.Data + (operand.Transposed ? (nint)column * operand.Stride + row : (nint)row * operand.Stride + column);

        private static float* Allocate(int count) => (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
    }
}
