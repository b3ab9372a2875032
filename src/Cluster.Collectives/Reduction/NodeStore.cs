using Cluster.Collectives.Memory;
using Cluster.Core.Models;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// A replica's share of the tree for the step at hand: the maximal nodes of the lanes computed so far. Lanes go in one at a time,
/// in any order; a node is added to its sibling as soon as both are held, like the carries of a binary counter, so that lanes
/// computed in order need about log2(lanes) + 1 buffers. What is held survives a change of generation (determinism.md, rule 14).
/// Not thread-safe. Before nodes change that were published to peers, the exchange's board must have advanced
/// (<see cref="Exchange.ExchangeBoard.Advance"/>). In bf16 a lane is computed in a buffer of fp32 that is this store's own, and rounded into its
/// node's; nodes are added in the nodes' format (<see cref="NodeFormat"/>). It knows nothing of members, steps' contents or the wire.
/// </summary>
public sealed class NodeStore
{
    private readonly Node[] _nodes;
    private readonly IBufferSource _buffers;
    private readonly Stack<Memory<float>> _free = new();
    private readonly Stack<Memory<float>> _freeLanes = new();
    private readonly Memory<float> _rounded;
    private readonly Dictionary<int, Memory<float>> _begun = new();

    /// <param name="tree">The tree over the run's lanes.</param>
    /// <param name="length">Numbers in a gradient, at least 1.</param>
    /// <param name="buffers">Where nodes lie, buffers of <see cref="Words"/>; memory of this process alone if not given.</param>
    /// <param name="precision">How they are stored.</param>
    public NodeStore(LaneTree tree, int length, IBufferSource? buffers = null, ReductionPrecision precision = ReductionPrecision.Fp32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        Tree = tree;
        (Length, Words, Precision) = (length, precision.WordsOf(length), precision);
        _nodes = new Node[tree.Lanes];
        _buffers = buffers ?? new PrivateBuffers(Words);
        _rounded = precision == ReductionPrecision.Bf16 ? PinnedBuffer.Allocate(BlockFold.Block) : default;
    }

    /// <summary>The tree over the run's lanes.</summary>
    public LaneTree Tree { get; }

    /// <summary>Numbers in a gradient.</summary>
    public int Length { get; }

    /// <summary>Words of 32 bits in a node.</summary>
    public int Words { get; }

    /// <summary>How nodes are stored.</summary>
    public ReductionPrecision Precision { get; }

    /// <summary>Bytes of all buffers that were ever needed at once: nodes, and lanes where those have their own.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>The step whose lanes are held; -1 before the first.</summary>
    public long Step { get; private set; } = -1;

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
        var buffer = Precision == ReductionPrecision.Bf16 ? RentLane() : Rent();
        _begun.Add(lane, buffer);
        return buffer.Span;
    }

    /// <summary>Takes a begun lane's gradient as final and adds up every pair of siblings that is complete now.</summary>
    public void CompleteLane(int lane)
    {
        if (!_begun.Remove(lane, out var buffer))
            throw new InvalidOperationException($"Lane {lane} of step {Step} was not begun.");
        var range = new LaneRange(lane, 1);
        if (Precision == ReductionPrecision.Bf16)
            (range, buffer) = Round(range, buffer);
        while (TakeSibling(range, out var sibling, out var other))
        {
            var (left, right) = sibling.Start < range.Start ? (other, buffer) : (buffer, other);
            Precision.Add(left.Span, right.Span, left.Span);
            Return(right);
            buffer = left;
            range = Parent(range, sibling);
        }

        _nodes[range.Start] = new Node(range.Count, buffer);
    }

    /// <summary>Gives a begun lane's buffer back without using it; nothing happens for a lane that was not begun.</summary>
    public void AbandonLane(int lane)
    {
        if (_begun.Remove(lane, out var buffer))
            ReturnBegun(buffer);
    }

    /// <summary>
    /// A reduced gradient as numbers in fp32: itself, or widened into a buffer for lanes, of which none is computed between two steps. Valid until the
    /// next <see cref="BeginLane"/>.
    /// </summary>
    /// <param name="reduced">In the nodes' format.</param>
    public ReadOnlySpan<float> Numbers(ReadOnlySpan<float> reduced)
    {
        if (Precision != ReductionPrecision.Bf16)
            return reduced;
        var numbers = RentLane();
        PackedBf16.Widen(reduced, numbers.Span);
        ReturnBegun(numbers);
        return numbers.Span;
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

    /// <summary>The words of a node that is held as such.</summary>
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
            ReturnBegun(buffer);
        _begun.Clear();
    }

    /// <summary>
    /// Rounds a lane: into a node of its own, or, where its sibling is held, block by block into that one's sum, which needs no buffer more.
    /// </summary>
    private (LaneRange Range, Memory<float> Buffer) Round(LaneRange lane, Memory<float> numbers)
    {
        var there = TakeSibling(lane, out var sibling, out var buffer);
        if (!there)
            buffer = Rent();
        for (var start = 0; start < Words; start += _rounded.Length)
        {
            var words = buffer.Span.Slice(start, Math.Min(_rounded.Length, Words - start));
            var block = numbers.Span.Slice(2 * start, Math.Min(2 * words.Length, Length - 2 * start));
            PackedBf16.Round(block, there ? _rounded.Span[..words.Length] : words);
            if (there)
                PackedBf16.Add(words, _rounded.Span[..words.Length], words);
        }

        ReturnBegun(numbers);
        return (there ? Parent(lane, sibling) : lane, buffer);
    }

    private static LaneRange Parent(LaneRange one, LaneRange other) => new(Math.Min(one.Start, other.Start), one.Count + other.Count);

    /// <summary>Takes the node that a complete one is to be added to, if it is held.</summary>
    private bool TakeSibling(LaneRange range, out LaneRange sibling, out Memory<float> buffer)
    {
        (sibling, buffer) = (default, default);
        if (Tree.Sibling(range) is not { } other || _nodes[other.Start].Count != other.Count)
            return false;
        (sibling, buffer) = (other, _nodes[other.Start].Buffer);
        _nodes[other.Start] = default;
        return true;
    }

    private Memory<float> Rent() => Rent(_free);

    /// <summary>A buffer of fp32 beside the nodes, which peers never read.</summary>
    private Memory<float> RentLane() => Rent(_freeLanes);

    private Memory<float> Rent(Stack<Memory<float>> free)
    {
        BuffersInUse++;
        if (free.TryPop(out var buffer))
            return buffer;
        buffer = free == _free ? _buffers.Allocate() : PinnedBuffer.Allocate(Length);
        AllocatedBytes += (long)buffer.Length * sizeof(float);
        return buffer;
    }

    private void Return(Memory<float> buffer) => Return(buffer, _free);

    private void ReturnBegun(Memory<float> buffer) => Return(buffer, Precision == ReductionPrecision.Bf16 ? _freeLanes : _free);

    private void Return(Memory<float> buffer, Stack<Memory<float>> free)
    {
        BuffersInUse--;
        free.Push(buffer);
    }

    /// <summary>A node at its first lane; no lanes where nothing is held.</summary>
    private readonly record struct Node(int Count, Memory<float> Buffer);
}
