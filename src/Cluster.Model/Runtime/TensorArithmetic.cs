// Arithmetic of tensors with numbers that outlive the call. Enters: tensors, numbers. Leaves: tensors of the caller's dispose scope.
using TorchSharp;
using static TorchSharp.torch;

namespace Cluster.Model.Runtime;

/// <summary>
/// What TorchSharp's operators do, without their fault: <c>x + 1f</c> makes a native number that nothing holds during the call, and so does
/// <c>x + y</c> (for the factor of y, which is 1). A garbage collection in that moment frees it, and the sum is computed with what its memory
/// holds by then: another result, seldom and under load. Code whose results count uses these instead of + and -, and of * with a number.
/// </summary>
internal static class TensorArithmetic
{
    private static readonly Scalar s_one = 1, s_minusOne = -1;

    /// <summary>x + y.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, s_one);

    /// <summary>x - y: the product with -1 is exact.</summary>
    public static Tensor Minus(this Tensor x, Tensor y) => x.add(y, s_minusOne);

    /// <summary>x + number, elementwise.</summary>
    public static Tensor Plus(this Tensor x, float number)
    {
        using Scalar scalar = number;
        return x.add(scalar, s_one);
    }

    /// <summary>x · number, elementwise.</summary>
    public static Tensor Times(this Tensor x, float number)
    {
        using Scalar scalar = number;
        return x.mul(scalar);
    }

    /// <summary>x with a number where the mask says so.</summary>
    public static Tensor Filled(this Tensor x, Tensor mask, float number)
    {
        using Scalar scalar = number;
        return x.masked_fill(mask, scalar);
    }

    /// <summary>The whole numbers [from, to) as int64.</summary>
    public static Tensor Integers(long from, long to, Device device)
    {
        using Scalar first = from, end = to;
        return arange(first, end, s_one, dtype: ScalarType.Int64, device: device);
    }
}
