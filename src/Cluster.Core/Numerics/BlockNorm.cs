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
        Vector512<double> lower = default, upper = default;
        for (; block.Length >= Vector512<float>.Count; block = block[Vector512<float>.Count..])
            Accumulate(Vector512.Create(block), ref lower, ref upper);
        if (!block.IsEmpty)
        {
            // Zeros at the end of a shorter vector change no sum.
            Span<float> padded = stackalloc float[Vector512<float>.Count];
            block.CopyTo(padded);
            Accumulate(Vector512.Create((ReadOnlySpan<float>)padded), ref lower, ref upper);
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

    private static void Accumulate(Vector512<float> values, ref Vector512<double> lower, ref Vector512<double> upper)
    {
        var (a, b) = Vector512.Widen(values);
        lower = Vector512.FusedMultiplyAdd(a, a, lower);
        upper = Vector512.FusedMultiplyAdd(b, b, upper);
    }
}
