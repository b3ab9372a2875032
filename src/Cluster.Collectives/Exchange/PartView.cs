namespace Cluster.Collectives.Exchange;

/// <summary>
/// A peer's part where it lies: one slice of one or several buffers of equal length. A view of memory that the peer writes is only
/// good while the peer's board stays at the key; whoever used it asks <see cref="IPeerLink.IsCurrent"/> afterwards.
/// </summary>
public readonly struct PartView
{
    private readonly ReadOnlyMemory<float>[]? _buffers;
    private readonly ReadOnlyMemory<float> _first;
    private readonly int _start;

    /// <summary>The same slice of several buffers.</summary>
    public PartView(ReadOnlyMemory<float>[] buffers, int start, int length)
    {
        (_buffers, _start) = (buffers, start);
        (Count, Length) = (buffers.Length, length);
    }

    /// <summary>Slices that lie one after another.</summary>
    public PartView(ReadOnlyMemory<float> contiguous, int count)
    {
        _first = contiguous;
        (Count, Length) = (count, count == 0 ? 0 : contiguous.Length / count);
    }

    /// <summary>Number of slices: the peer's nodes, or one.</summary>
    public int Count { get; }

    /// <summary>Floats of each.</summary>
    public int Length { get; }

    /// <summary>Hash of a single slice, where it was taken from the very bytes that lie here; null where it was not taken.</summary>
    public UInt128? Hash { get; init; }

    /// <summary>One slice.</summary>
    public ReadOnlyMemory<float> this[int index] => _buffers is { } buffers ? buffers[index].Slice(_start, Length) : _first.Slice(index * Length, Length);
}
