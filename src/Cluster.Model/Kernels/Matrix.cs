// A dense row-major matrix in native memory that both sides see: managed kernels through a pointer, Torch's matrix products through
// a tensor over the same memory. All are made once, so a training step allocates nothing.
// Products of bf16 are oneDNN's; those of fp32 are managed, since the library behind Torch's is slow on AMD's processors.
using Cluster.Inference.Kernels;
using TorchSharp;

namespace Cluster.Model.Kernels;

internal sealed unsafe class Matrix<T> : IDisposable
    where T : unmanaged, IElement<T>
{
    private readonly torch.Tensor _tensor, _transposed;

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

    /// <summary>sum[N, K] += y[M, N]ᵀ · x[M, K].</summary>
    /// <param name="sum">In fp32.</param>
    /// <param name="y">The left operand.</param>
    /// <param name="x">The right operand.</param>
    /// <param name="gemm">Makes the products of fp32, which need no scratch.</param>
    /// <param name="scratch">[N, K], for bf16, whose product is rounded before it is added.</param>
    public static void AddTransposedProduct(float* sum, Matrix<T> y, Matrix<T> x, Gemm gemm, Matrix<T>? scratch)
    {
        if (typeof(T) == typeof(Fp32))
        {
            gemm.Multiply(y.Columns, x.Columns, x.Rows, y.Operand(transposed: true), x.Operand(), sum, x.Columns, add: true);
        }
        else
        {
            scratch!._tensor.addmm_(y._transposed, x._tensor, beta: 0, alpha: 1);
            RowKernels.Accumulate(sum, scratch.Data, (long)scratch.Rows * scratch.Columns);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _transposed.Dispose();
        _tensor.Dispose();
    }

    private GemmOperand Operand(bool transposed = false) => new((float*)Data, Columns, transposed);
}
