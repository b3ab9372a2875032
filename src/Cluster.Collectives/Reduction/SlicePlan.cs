using Cluster.Core.Models;
using Cluster.Core.Numerics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// The cut of a flat vector into slices on fixed bounds. The bounds depend on the vector's length and the recipe's slice length
/// only, never on the number of replicas; only the slices' owners do (determinism.md, rule 5). Of a gradient that is reduced in bf16 the
/// vector is that of its words (<see cref="PackedBf16"/>), so that its slices are as many bytes and half as many.
/// </summary>
public sealed record SlicePlan
{
    /// <summary>Slice lengths are multiples of this many floats, so that each of the norm's blocks lies in one slice.</summary>
    public const int Alignment = BlockNorm.Block;

    /// <summary>
    /// The slice length where the recipe names none, in floats: 512 KiB. Small enough that two operands stay in a core's L2 cache
    /// and that a few megabytes divide over several owners, large enough that a round trip costs little beside it.
    /// </summary>
    public const int DefaultSliceLength = 1 << 17;

    /// <param name="length">Floats in the vector, at least 1.</param>
    /// <param name="sliceLength">Floats in every slice but the last, a multiple of 4,096, at most 2^24 (64 MiB).</param>
    public SlicePlan(int length, int sliceLength = DefaultSliceLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        if (sliceLength < Alignment || sliceLength > 1 << 24 || sliceLength % Alignment != 0)
            throw new ArgumentOutOfRangeException(nameof(sliceLength), sliceLength, "A multiple of 4,096 up to 16,777,216 is needed.");
        Length = length;
        SliceLength = sliceLength;
    }

    /// <summary>The cut of a gradient's words.</summary>
    /// <param name="numbers">In the gradient, at least 1.</param>
    /// <param name="precision">How nodes are stored.</param>
    /// <param name="sliceLength">As above.</param>
    public static SlicePlan Of(int numbers, ReductionPrecision precision, int sliceLength = DefaultSliceLength) => new(precision.WordsOf(numbers), sliceLength);

    /// <summary>Floats in the vector.</summary>
    public int Length { get; }

    /// <summary>Floats in every slice but the last.</summary>
    public int SliceLength { get; }

    /// <summary>Number of slices.</summary>
    public int Count => (int)(((long)Length + SliceLength - 1) / SliceLength);

    /// <summary>First float and number of floats of a slice.</summary>
    public (int Start, int Length) this[int slice]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(slice);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slice, Count);
            var start = slice * SliceLength;
            return (start, Math.Min(SliceLength, Length - start));
        }
    }

    /// <summary>First float of a slice.</summary>
    public int StartOf(int slice) => this[slice].Start;

    /// <summary>The contiguous slices that a member owns, of <paramref name="members"/> in order; sizes differ by at most one.</summary>
    public (int First, int Count) OwnedBy(int member, int members) => EvenSplit.Part(Count, members, member);

    /// <summary>The member that owns a slice.</summary>
    public int Owner(int slice, int members) => EvenSplit.PartOf(Count, members, slice);
}
