using Cluster.Core.Models;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// How the numbers of a tree node lie in words of 32 bits, and how two nodes are added: one fp32 in each word, or two in bf16
/// (<see cref="PackedBf16"/>). A node in bf16 was rounded when it was made, whether it is a lane or a sum, whether it travels or stays: so every
/// edge of the tree is rounded, the local ones too (determinism.md, rule 4), and so is the sum over all lanes. Whoever moves words, hashes them or
/// shows them to peers need not know which.
/// </summary>
internal static class NodeFormat
{
    /// <summary>Words of a node.</summary>
    public static int WordsOf(this ReductionPrecision precision, int numbers) =>
        precision == ReductionPrecision.Bf16 ? PackedBf16.WordsOf(numbers) : numbers;

    /// <summary>Adds two nodes, or the same part of both.</summary>
    /// <param name="precision">How they are stored.</param>
    /// <param name="left">n words.</param>
    /// <param name="right">n words.</param>
    /// <param name="sum">n words; may be exactly one of them.</param>
    public static void Add(this ReductionPrecision precision, ReadOnlySpan<float> left, ReadOnlySpan<float> right, Span<float> sum)
    {
        if (precision == ReductionPrecision.Bf16)
            PackedBf16.Add(left, right, sum);
        else
            ElementwiseSum.Add(left, right, sum);
    }
}
