using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// left + right, element by element. Every lane of a vector and every element of the tail is one IEEE 754 addition in single
/// precision, so body and tail round alike and the bits do not depend on the vector width (determinism.md, rule 5).
/// </summary>
public static class ElementwiseSum
{
    /// <param name="left">n numbers.</param>
    /// <param name="right">n numbers.</param>
    /// <param name="destination">n numbers; may be exactly <paramref name="left"/> or <paramref name="right"/>, not overlap otherwise.</param>
    public static void Add(ReadOnlySpan<float> left, ReadOnlySpan<float> right, Span<float> destination)
    {
        if (left.Length != right.Length || left.Length != destination.Length)
            throw new ArgumentException($"Lengths differ: {left.Length} + {right.Length} into {destination.Length}.");
        ref var a = ref MemoryMarshal.GetReference(left);
        ref var b = ref MemoryMarshal.GetReference(right);
        ref var sum = ref MemoryMarshal.GetReference(destination);
        nuint i = 0, length = (nuint)left.Length;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + (nuint)Vector512<float>.Count <= length; i += (nuint)Vector512<float>.Count)
                (Vector512.LoadUnsafe(ref a, i) + Vector512.LoadUnsafe(ref b, i)).StoreUnsafe(ref sum, i);
        }
        else
        {
            for (; i + (nuint)Vector256<float>.Count <= length; i += (nuint)Vector256<float>.Count)
                (Vector256.LoadUnsafe(ref a, i) + Vector256.LoadUnsafe(ref b, i)).StoreUnsafe(ref sum, i);
        }

        for (; i < length; i++)
            Unsafe.Add(ref sum, i) = Unsafe.Add(ref a, i) + Unsafe.Add(ref b, i);
    }
}
