namespace Cluster.Collectives.Reduction;

/// <summary>
/// The contiguous lanes [Start, End). Also the name of a tree node: a node is identified by the lanes it covers, so that a node
/// whose right child is missing and the child that it passes through are one and the same.
/// </summary>
/// <param name="Start">First lane, at least 0.</param>
/// <param name="Count">Number of lanes; 0 for a member that idles.</param>
public readonly record struct LaneRange(int Start, int Count)
{
    /// <summary>One past the last lane.</summary>
    public int End => Start + Count;

    /// <summary>Whether no lane is inside.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>Whether <paramref name="lane"/> is inside.</summary>
    public bool Contains(int lane) => lane >= Start && lane < End;

    /// <summary>Whether every lane of <paramref name="other"/> is inside; true for an empty one.</summary>
    public bool Contains(LaneRange other) => other.IsEmpty || (other.Start >= Start && other.End <= End);

    /// <summary>"lanes 2-5", or "no lanes".</summary>
    public override string ToString() => IsEmpty ? "no lanes" : Count == 1 ? $"lane {Start}" : $"lanes {Start}-{End - 1}";
}
