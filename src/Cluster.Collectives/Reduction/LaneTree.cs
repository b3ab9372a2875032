using System.Numerics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// The fixed binary tree along which lane gradients and losses meet (determinism.md, rule 3). Node (level j, index k) covers the
/// lanes [k·2^j, min((k+1)·2^j, n)); where the right child is missing the left one passes through, so that six lanes add up as
/// ((0+1)+(2+3))+(4+5). It is the shape of RFC 6962's Merkle trees (section 2.1). Floating-point addition is not associative: the
/// sum's bits depend on this shape alone, never on who owns which lanes or whose data arrives first.
/// Knows lanes only; buffers are <see cref="NodeStore"/>'s, members are <see cref="LaneAssignment"/>'s.
/// </summary>
public sealed record LaneTree
{
    /// <param name="lanes">Number of lanes, at least 1 and at most 2^20.</param>
    public LaneTree(int lanes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lanes, 1 << 20);
        Lanes = lanes;
    }

    /// <summary>Number of lanes.</summary>
    public int Lanes { get; }

    /// <summary>The node that covers every lane.</summary>
    public LaneRange Root => new(0, Lanes);

    /// <summary>Whether the range is exactly what some node covers.</summary>
    public bool IsNode(LaneRange range)
    {
        if (range.Start < 0 || range.Count < 1 || range.End > Lanes)
            return false;
        var size = RoundUp(range.Count);
        return range.Start % size == 0 && (range.Count == size || range.End == Lanes);
    }

    /// <summary>The node that <paramref name="node"/> is added to on the way up; null for the root.</summary>
    public LaneRange? Sibling(LaneRange node)
    {
        ThrowIfNotNode(node);
        for (var size = RoundUp(node.Count); size < Lanes; size *= 2)
        {
            if (node.Start % (2 * size) != 0)
                return new LaneRange(node.Start - size, size);
            var right = node.Start + size;
            if (right < Lanes)
                return new LaneRange(right, Math.Min(size, Lanes - right));
            // No right child at this level: the node passes through to the next.
        }

        return null;
    }

    /// <summary>
    /// The largest complete nodes inside a range, from left to right: what a member sends. Lanes 1-2 of 4 are two nodes, lanes 4-5
    /// of 6 one. Empty for an empty range; at most 2·log2(lanes) of them.
    /// </summary>
    public IReadOnlyList<LaneRange> MaximalNodes(LaneRange range)
    {
        if (!Root.Contains(range))
            throw new ArgumentOutOfRangeException(nameof(range), range, $"The tree has {Lanes} lanes.");
        var nodes = new List<LaneRange>();
        for (var start = range.Start; start < range.End;)
        {
            var size = 1;
            while (size < Lanes && start % (2 * size) == 0 && Math.Min(start + 2 * size, Lanes) <= range.End)
                size *= 2;
            var node = new LaneRange(start, Math.Min(size, Lanes - start));
            nodes.Add(node);
            start = node.End;
        }

        return nodes;
    }

    /// <summary>
    /// The additions, in order, that turn nodes into the root. The nodes must cover every lane once, from left to right, whoever
    /// holds them. Each addition replaces its left operand by left + right; the root ends in place 0.
    /// </summary>
    public IReadOnlyList<Addition> Fold(IReadOnlyList<LaneRange> nodes)
    {
        var additions = new List<Addition>(nodes.Count);
        var pending = new Stack<(int Place, LaneRange Node)>();
        var next = 0;
        for (var place = 0; place < nodes.Count; place++)
        {
            var node = nodes[place];
            if (node.Start != next || !IsNode(node))
                throw new ArgumentException($"Node {place} is {node}; a tree node that starts at lane {next} is needed.", nameof(nodes));
            next = node.End;
            var top = (Place: place, Node: node);
            while (pending.TryPeek(out var left) && Sibling(top.Node) == left.Node)
            {
                pending.Pop();
                additions.Add(new Addition(left.Place, top.Place));
                top = (left.Place, new LaneRange(left.Node.Start, left.Node.Count + top.Node.Count));
            }

            pending.Push(top);
        }

        if (next != Lanes)
            throw new ArgumentException($"The nodes end at lane {next}; the tree has {Lanes} lanes.", nameof(nodes));
        return additions;
    }

    /// <summary>The sum of one value per lane along the tree; 0 for none. Losses are reported through it (rule 6).</summary>
    public static double Sum(ReadOnlySpan<double> lanes)
    {
        if (lanes.Length <= 1)
            return lanes.IsEmpty ? 0 : lanes[0];
        // The left subtree is the largest power of two below the number of lanes.
        var left = RoundUp(lanes.Length) / 2;
        return Sum(lanes[..left]) + Sum(lanes[left..]);
    }

    private static int RoundUp(int count) => (int)BitOperations.RoundUpToPowerOf2((uint)count);

    private void ThrowIfNotNode(LaneRange range)
    {
        if (!IsNode(range))
            throw new ArgumentException($"{range} is not a node of the tree over {Lanes} lanes.", nameof(range));
    }
}
