using System.Runtime.InteropServices;

namespace Cluster.Collectives.Memory;

/// <summary>
/// The first bytes of a shared segment: who it is, and what its owner's board shows. Written by the owner only, read by peers of
/// the same build on the same machine. <see cref="Sequence"/> is a seqlock's (odd while the key changes): what a peer read is good if
/// the sequence is even and the same before and after. One byte for each slice follows at <see cref="Size"/>, of bits.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SegmentHeader
{
    public const int Size = 512;

    /// <summary>Bit of a slice that is reduced.</summary>
    public const byte IsReduced = 1;

    /// <summary>Bit of a slice whose parameters after the step are there.</summary>
    public const byte IsUpdated = 2;

    /// <summary>A range has at most 2·log2(2^20) maximal nodes.</summary>
    public const int MaxNodes = 40;

    public UInt128 Token;
    public ulong Sequence;
    public ulong Run;
    public long Term, Generation, Step;
    public int Length, SliceLength;

    /// <summary>Buffer that the gradient is reduced into.</summary>
    public int Reduced;

    /// <summary>Buffer of the own slices' parameters after the step.</summary>
    public int Updated;

    /// <summary>Nodes shown; -1 while none are.</summary>
    public int Nodes;

    /// <summary>Buffer of each node.</summary>
    public fixed int NodeBuffers[MaxNodes];
}

/// <summary>Where a segment can be opened, as its owner tells a peer over their connection.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct SegmentAddress(UInt128 Token, long Bytes, int Process, int File);
