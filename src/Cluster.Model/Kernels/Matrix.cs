// A dense row-major matrix in native memory that both sides see: managed kernels through a pointer, Torch's matrix products through
// a tensor over the same memory. All are made once, so a training step allocates nothing.
// Products of bf16 are oneDNN's; those of fp32 are managed, since the library behind Torch's is slow on AMD's processors.
using Cluster.Inference.Kernels;
using TorchSharp;

namespace Cluster.Model.Kernels;

internal sealed unsafe class Matrix<T> : IDisposable
    where T : unmanaged, IElement<T>
{
    /// <summary>Elements of the largest block of a weight gradient made at a time: 2 MB in bf16, which the second cache level about holds.</summary>
    private const int MaxBlock = 1 << 20;

    private readonly torch.Tensor _tensor, _transposed;
    private readonly Dictionary<int, torch.Tensor[]> _transposedBlocks = [];

    private Matrix(torch.Tensor tensor, T* data)
    {
        _tensor = tensor;
        _transposed = tensor.t();
        Data = data;
        Rows = checked((int)tensor.shape[0]);
        Columns = checked((int)tensor.shape[1]);
    }

    /// <summary>The first element.</summary>
    public T* Data { get; }

    public int Rows { get; }

    public int Columns { get; }

    private static torch.ScalarType ElementType => sizeof(T) == sizeof(float) ? torch.ScalarType.Float32 : torch.ScalarType.BFloat16;

    /// <summary>A zeroed matrix.</summary>
    public static Matrix<T> Allocate(int rows, int columns)
    {
        var tensor = torch.zeros(rows, columns, dtype: ElementType).DetachFromDisposeScope();
        return new Matrix<T>(tensor, PointerOf(tensor));
    }

    /// <summary>A matrix over part of a flat tensor; the tensor outlives it.</summary>
    public static Matrix<T> View(torch.Tensor flat, long offset, int rows, int columns)
    {
        using var part = flat.narrow(0, offset, (long)rows * columns);
        var tensor = part.view(rows, columns).DetachFromDisposeScope();
        return new Matrix<T>(tensor, PointerOf(flat) + offset);
    }

    /// <summary>A zeroed flat tensor of this element type.</summary>
    public static torch.Tensor Flat(long count) => torch.zeros(count, dtype: ElementType).DetachFromDisposeScope();

    /// <summary>Where a contiguous tensor's memory starts; fixed for the tensor's life.</summary>
    public static T* PointerOf(torch.Tensor tensor)
    {
        using var flat = tensor.view(-1);
        using var first = flat.narrow(0, 0, 1);
        fixed (byte* start = first.bytes)
            return (T*)start;
    }

    /// <summary>The rows [start, start + count) as a matrix over the same memory.</summary>
    public Matrix<T> RowsView(int start, int count) => new(_tensor.narrow(0, start, count).DetachFromDisposeScope(), Data + (long)start * Columns);

    /// <summary>this[M, N] = x[M, K] · w[N, K]ᵀ.</summary>
    public void SetProductTransposed(Matrix<T> x, Matrix<T> w, Gemm gemm)
    {
        if (typeof(T) == typeof(Fp32))
            gemm.Multiply(Rows, Columns, x.Columns, x.Operand(), w.Operand(transposed: true), (float*)Data, Columns);
        else
            _tensor.addmm_(x._tensor, w._transposed, beta: 0, alpha: 1);
    }

    /// <summary>this[M, K] = y[M, N] · w[N, K].</summary>
    public void SetProduct(Matrix<T> y, Matrix<T> w, Gemm gemm)
    {
        if (typeof(T) == typeof(Fp32))
            gemm.Multiply(Rows, Columns, y.Columns, y.Operand(), w.Operand(), (float*)Data, Columns);
        else
            _tensor.addmm_(y._tensor, w._tensor, beta: 0, alpha: 1);
    }

    /// <summary>
    /// sum[N, K] = y[M, N]ᵀ · x[M, K], or += where <paramref name="add"/> says so. A product of bf16 is made in blocks of rows, so that each
    /// is still in the cache when it is widened into the sum: the whole of it would go to memory and back.
    /// </summary>
    /// <param name="sum">In fp32.</param>
    /// <param name="y">The left operand.</param>
    /// <param name="x">The right operand.</param>
    /// <param name="gemm">Makes the products of fp32.</param>
    /// <param name="scratch">Where blocks of bf16 products are made.</param>
    /// <param name="add">Whether the sum has something to add to.</param>
    public static void TransposedProduct(float* sum, Matrix<T> y, Matrix<T> x, Gemm gemm, ProductScratch<T> scratch, bool add)
    {
        if (typeof(T) == typeof(Fp32))
        {
            gemm.Multiply(y.Columns, x.Columns, x.Rows, y.Operand(transposed: true), x.Operand(), sum, x.Columns, add);
            return;
        }

        var columns = x.Columns;
        foreach (var left in y.TransposedBlocks(columns))
        {
            var block = scratch.Of((int)left.shape[0], columns);
            block._tensor.addmm_(left, x._tensor, beta: 0, alpha: 1);
            var count = (long)block.Rows * columns;
            if (add)
                RowKernels.Accumulate(sum, block.Data, count);
            else
                RowKernels.Widen(sum, block.Data, count);
            sum += count;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var block in _transposedBlocks.Values.SelectMany(blocks => blocks))
            block.Dispose();
        _transposed.Dispose();
        _tensor.Dispose();
    }

    /// <summary>Rows of this matrix's transpose, as many at a time as make blocks of about equal size with so many columns each.</summary>
    private torch.Tensor[] TransposedBlocks(int columns)
    {
        if (_transposedBlocks.TryGetValue(columns, out var blocks))
            return blocks;
        var count = (int)(((long)Columns * columns + MaxBlock - 1) / MaxBlock);
        var rows = (((Columns + count - 1) / count) + 15) / 16 * 16;
        blocks = [.. Enumerable.Range(0, (Columns + rows - 1) / rows)
            .Select(i => _transposed.narrow(0, i * rows, Math.Min(rows, Columns - i * rows)).DetachFromDisposeScope())];
        return _transposedBlocks[columns] = blocks;
    }

    private GemmOperand Operand(bool transposed = false) => new((float*)Data, Columns, transposed);
}

/// <summary>Room for one product at a time, seen in whatever shape it has.</summary>
internal sealed class ProductScratch<T> : IDisposable
    where T : unmanaged, IElement<T>
{
    private readonly Dictionary<(int Rows, int Columns), Matrix<T>> _views = [];
    private torch.Tensor _memory = Matrix<T>.Flat(0);

    /// <summary>A matrix with anything in it, valid until the next one is asked for.</summary>
    public Matrix<T> Of(int rows, int columns)
    {
        if (_views.TryGetValue((rows, columns), out var view))
            return view;
        if (_memory.numel() < (long)rows * columns)
        {
            Clear();
            _memory = Matrix<T>.Flat((long)rows * columns);
        }

        return _views[(rows, columns)] = Matrix<T>.View(_memory, 0, rows, columns);
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (var view in _views.Values)
            view.Dispose();
        _views.Clear();
        _memory.Dispose();
    }
}
