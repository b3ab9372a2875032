using Cluster.Core.Models;
using Cluster.Core.Numerics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// A fold's additions as a program over blocks that stay in the first-level cache. Operands are only read; sums in between lie in
/// a few blocks of the program's own, and the last one goes to the destination.
/// Enters: operands of equal length, words of one format. Leaves: their sum in the tree's order. Does not know who holds the operands. Not thread-safe.
/// </summary>
internal sealed class BlockFold
{
    /// <summary>Words that are added up at once: a block of the norm too, or two of numbers in bf16.</summary>
    public const int Block = BlockNorm.Block;

    private const int Destination = -1;
    private readonly int _operands;
    private readonly ReductionPrecision _precision;
    private readonly Step[] _steps;
    private readonly Memory<float>[] _between;

    /// <param name="operands">Number of operands, at least 1.</param>
    /// <param name="additions">What <see cref="LaneTree.Fold"/> gives for them.</param>
    /// <param name="precision">How they are stored; so are sums in between.</param>
    public BlockFold(int operands, IReadOnlyList<Addition> additions, ReductionPrecision precision)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(additions.Count, operands - 1);
        (_operands, _precision) = (operands, precision);
        _steps = new Step[additions.Count];
        var places = Enumerable.Range(0, operands).ToArray();
        var free = new Stack<int>();
        var blocks = 0;
        for (var i = 0; i < _steps.Length; i++)
        {
            var (left, right) = (places[additions[i].Left], places[additions[i].Right]);
            foreach (var used in new[] { left, right }.Where(place => place >= operands))
                free.Push(used);
            var target = i == _steps.Length - 1 ? Destination : free.TryPop(out var place) ? place : operands + blocks++;
            _steps[i] = new Step(left, right, target);
            places[additions[i].Left] = target;
        }

        _between = new Memory<float>[blocks];
        foreach (ref var block in _between.AsSpan())
            block = PinnedBuffer.Allocate(Block);
    }

    /// <summary>Adds up one block; a single operand is copied.</summary>
    /// <param name="operands">The operands, each longer than <paramref name="start"/>.</param>
    /// <param name="start">Where the block starts in each.</param>
    /// <param name="destination">At most <see cref="Block"/> words; overlaps no operand.</param>
    public void Run(ReadOnlySpan<ReadOnlyMemory<float>> operands, int start, Span<float> destination)
    {
        if (_steps.Length == 0)
        {
            operands[0].Span.Slice(start, destination.Length).CopyTo(destination);
            return;
        }

        foreach (var step in _steps)
        {
            var target = step.Target == Destination ? destination : Between(step.Target, destination.Length);
            _precision.Add(Source(operands, step.Left, start, target.Length), Source(operands, step.Right, start, target.Length), target);
        }
    }

    private ReadOnlySpan<float> Source(ReadOnlySpan<ReadOnlyMemory<float>> operands, int place, int start, int length) =>
        place < _operands ? operands[place].Span.Slice(start, length) : Between(place, length);

    private Span<float> Between(int place, int length) => _between[place - _operands].Span[..length];

    /// <summary>Places: an operand's index, after those the blocks in between, or the destination.</summary>
    private readonly record struct Step(int Left, int Right, int Target);
}
