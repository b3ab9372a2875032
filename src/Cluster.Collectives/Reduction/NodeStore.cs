using Cluster.Collectives.Memory;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// A replica's share of the tree for the step at hand: the maximal nodes of the lanes computed so far. Lanes go in one at a time,
/// in any order; a node is added to its sibling as soon as both are held, like the carries of a binary counter, so that lanes
/// computed in order need about log2(lanes) + 1 buffers. What is held survives a change of generation (determinism.md, rule 14).
/// Not thread-safe. Before nodes change that were published to peers, the exchange's board must have advanced
/// (<see cref="Exchange.ExchangeBoard.Advance"/>). It knows nothing of members, steps' contents or the wire.
/// </summary>
public sealed class NodeStore
{
    private readonly Node[] _nodes;
    private readonly IBufferSource _buffers;
    private readonly Stack<Memory<float>> _free = new();
    private readonly Dictionary<int, Memory<float>> _begun = new();

    /// <param name="tree">The tree over the run's lanes.</param>
    /// <param name="length">Floats in a gradient, at least 1.</param>
    /// <param name="buffers">Where gradients of that length lie; memory of this process alone if not given.</param>
    public NodeStore(LaneTree tree, int length, IBufferSource? buffers = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        Tree = tree;
        Length = length;
        _nodes = new Node[tree.Lanes];
        _buffers = buffers ?? new PrivateBuffers(length);
    }

    /// <summary>The tree over the run's lanes.</summary>
    public LaneTree Tree { get; }

    /// <summary>Floats in a gradient.</summary>
    public int Length { get; }

    /// <summary>The step whose lanes are held; -1 before the first.</summary>
    public long Step { get; private set; } = -1;

    /// <summary>The most buffers that were in use at once.</summary>
    public int PeakBuffers { get; private set; }

    /// <summary>Buffers that hold a node or a lane being computed.</summary>
    public int BuffersInUse { get; private set; }

    /// <summary>Turns to a step: whatever is held of another one is recycled; the same step again keeps everything.</summary>
    public void BeginStep(long step)
    {
        if (step == Step)
            return;
        Recycle();
        Step = step;
    }

    /// <summary>Recycles what is held of <paramref name="step"/> or an earlier step.</summary>
    public void Release(long step)
    {
        if (Step <= step)
            Recycle();
    }

    /// <summary>
    /// A buffer of <see cref="Length"/> floats on a 64-byte bound, which never moves, for a lane's gradient. Its contents are
    /// undefined: the first micro-batch overwrites every element.
    /// </summary>
    public Span<float> BeginLane(int lane)
    {
        if (Holds(lane) || _begun.ContainsKey(lane))
            throw new InvalidOperationException($"Lane {lane} of step {Step} is already computed or begun.");
        var buffer = Rent();
        _begun.Add(lane, buffer);
        return buffer.Span;
    }

    /// <summary>Takes a begun lane's gradient as final and adds up every pair of siblings that is complete now.</summary>
    public void CompleteLane(int lane)
    {
        if (!_begun.Remove(lane, out var buffer))
            throw new InvalidOperationException($"Lane {lane} of step {Step} was not begun.");
        var range = new LaneRange(lane, 1);
        while (Tree.Sibling(range) is { } sibling && _nodes[sibling.Start].Count == sibling.Count)
        {
            var other = _nodes[sibling.Start].Buffer;
            _nodes[sibling.Start] = default;
            var (left, right) = sibling.Start < range.Start ? (other, buffer) : (buffer, other);
            ElementwiseSum.Add(left.Span, right.Span, left.Span);
            Return(right);
            buffer = left;
            range = new LaneRange(Math.Min(range.Start, sibling.Start), range.Count + sibling.Count);
        }

        _nodes[range.Start] = new Node(range.Count, buffer);
    }

    /// <summary>Gives a begun lane's buffer back without using it; nothing happens for a lane that was not begun.</summary>
    public void AbandonLane(int lane)
    {
        if (_begun.Remove(lane, out var buffer))
            Return(buffer);
    }

    /// <summary>Whether the lane's gradient is held, alone or inside a larger node.</summary>
    public bool Holds(int lane)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lane);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(lane, Tree.Lanes);
        for (var start = lane; start >= 0; start--)
        {
            if (_nodes[start].Count > 0)
                return start + _nodes[start].Count > lane;
        }

        return false;
    }

    /// <summary>
    /// Drops every node that reaches outside the range, so that what is left can serve it. A loss moves no lane away from its
    /// holder, so this drops something only where a coordinator that knows less takes over.
    /// </summary>
    public void Retain(LaneRange range)
    {
        for (var start = 0; start < _nodes.Length; start++)
        {
            if (_nodes[start].Count == 0 || range.Contains(new LaneRange(start, _nodes[start].Count)))
                continue;
            Return(_nodes[start].Buffer);
            _nodes[start] = default;
        }
    }

    /// <summary>The gradient of a node that is held as such.</summary>
    /// <exception cref="InvalidOperationException">The node is not held, or only inside a larger one.</exception>
    public ReadOnlyMemory<float> this[LaneRange node] => Tree.IsNode(node) && _nodes[node.Start].Count == node.Count
        ? _nodes[node.Start].Buffer
        : throw new InvalidOperationException($"The node over {node} of step {Step} is not held.");

    private void Recycle()
    {
        foreach (ref var node in _nodes.AsSpan())
        {
            if (node.Count > 0)
                Return(node.Buffer);
            node = default;
        }

        foreach (var buffer in _begun.Values)
            Return(buffer);
        _begun.Clear();
    }

    private Memory<float> Rent()
    {
        PeakBuffers = Math.Max(PeakBuffers, ++BuffersInUse);
        return _free.TryPop(out var buffer) ? buffer : _buffers.Allocate();
    }

    private void Return(Memory<float> buffer)
    {
        BuffersInUse--;
        _free.Push(buffer);
    }

    /// <summary>A node at its first lane; no lanes where nothing is held.</summary>
    private readonly record struct Node(int Count, Memory<float> Buffer);
}
