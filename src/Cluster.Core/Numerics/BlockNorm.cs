using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Core.Numerics;

/// <summary>
/// The Euclidean norm over fixed blocks (determinism.md, rule 5): each block's squares in 16 double sums, the blocks' sums added in
/// order. Who reduces a gradient sums its blocks while they are in cache, in any order, and adds them up at the end: same bits.
/// </summary>
public static class BlockNorm
{
    /// <summary>Numbers in every block but the last; blocks start at multiples of it.</summary>
    public const int Block = 4_096;

    /// <summary>Σ x² of one block.</summary>
    /// <param name="block">At most <see cref="Block"/> numbers.</param>
    public static double Squares(ReadOnlySpan<float> block)
    {
        if (block.Length % Vector512<float>.Count != 0)
            return Squares(Padded(block));
        Vector512<double> lower = default, upper = default;
        ref var first = ref MemoryMarshal.GetReference(block);
        for (nuint i = 0; i < (nuint)block.Length; i += (nuint)Vector512<float>.Count)
        {
            var (a, b) = Vector512.Widen(Vector512.LoadUnsafe(ref first, i));
            lower = Vector512.FusedMultiplyAdd(a, a, lower);
            upper = Vector512.FusedMultiplyAdd(b, b, upper);
        }

        return Vector512.Sum(lower + upper);
    }

    /// <summary>√Σ of what <see cref="Squares"/> gave for each block, in order.</summary>
    public static double Total(ReadOnlySpan<double> squares)
    {
        double total = 0;
        foreach (var block in squares)
            total += block;
        return Math.Sqrt(total);
    }

    /// <summary>√Σ x².</summary>
    public static double Of(ReadOnlySpan<float> vector)
    {
        double total = 0;
        for (var start = 0; start < vector.Length; start += Block)
            total += Squares(vector.Slice(start, Math.Min(Block, vector.Length - start)));
        return Math.Sqrt(total);
    }

    /// <summary>Zeros at the end change no sum. Only a vector's last block may need them.</summary>
    private static float[] Padded(ReadOnlySpan<float> block)
    {
        var padded = new float[(block.Length + Vector512<float>.Count - 1) / Vector512<float>.Count * Vector512<float>.Count];
        block.CopyTo(padded);
        return padded;
    }
}
