using System.ComponentModel;
using System.Runtime.CompilerServices;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Memory;

/// <summary>
/// A peer's segment, mapped for reading. Enters: where it is. Leaves: views of parts that are there, and whether they still are.
/// Waiting is the connection's business. Used by one reduction at a time.
/// </summary>
internal sealed unsafe class SegmentReader : IDisposable
{
    private readonly MappedRegion _region;
    private readonly SlicePlan _slices;
    private readonly ReadOnlyMemory<float>[] _buffers;
    private ReadOnlyMemory<float>[] _nodes = [], _reduced = [default], _updated = [default];
    private ulong _nodesSequence = 1;

    private SegmentReader(MappedRegion region, long bytes)
    {
        _region = region;
        _slices = new SlicePlan(Header.Length, Header.SliceLength);
        var (first, stride) = (SharedSegment.FirstBuffer(_slices), SharedSegment.Stride(_slices.Length));
        _buffers = new ReadOnlyMemory<float>[(bytes - first) / stride];
        for (var i = 0; i < _buffers.Length; i++)
            _buffers[i] = region.Floats(first + i * stride, _slices.Length);
    }

    private ref SegmentHeader Header => ref Unsafe.AsRef<SegmentHeader>(_region.Address);

    /// <summary>
    /// Maps a peer's segment if this process can see it: same machine, same process namespace, same user. The token in the header
    /// proves that it is the one meant; null, with the reason, if not.
    /// </summary>
    public static SegmentReader? TryOpen(SegmentAddress address, out string? refusal)
    {
        var path = $"/proc/{address.Process}/fd/{address.File}";
        try
        {
            // Looked at before it is opened: an unrelated process's pipe would block.
            if (new FileInfo(path).LinkTarget?.StartsWith($"/memfd:{SharedSegment.FileName}", StringComparison.Ordinal) != true)
            {
                refusal = "its process is not to be seen from here";
                return null;
            }

            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (address.Bytes < SegmentHeader.Size || RandomAccess.GetLength(file) != address.Bytes)
            {
                refusal = "the segment has another size";
                return null;
            }

            var region = LinuxMemory.Map(file, address.Bytes, writable: false);
            if (Unsafe.AsRef<SegmentHeader>(region.Address).Token == address.Token)
            {
                refusal = null;
                return new SegmentReader(region, address.Bytes);
            }

            region.Dispose();
            refusal = "another segment is in its place";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Win32Exception or ArgumentException or NotSupportedException)
        {
            refusal = error.Message;
        }

        return null;
    }

    /// <summary>The part if the peer shows it now; null if it is to be waited for.</summary>
    /// <exception cref="StaleKeyException">The peer is past the key.</exception>
    /// <exception cref="InvalidDataException">The header makes no sense.</exception>
    public PartView? TryRead(ExchangeKey key, PartKind kind, int slice)
    {
        if ((uint)slice >= (uint)_slices.Count)
            throw new InvalidDataException($"The peer cuts its gradient into {_slices.Count} slices; slice {slice} is none of them.");
        ref var header = ref Header;
        var sequence = Volatile.Read(ref header.Sequence);
        if (sequence % 2 != 0)
            return null;
        var shown = new ExchangeKey(header.Run, header.Term, header.Generation, header.Step);
        var bit = kind == PartKind.Reduced ? SegmentHeader.IsReduced : SegmentHeader.IsUpdated;
        var there = kind == PartKind.Nodes
            ? Volatile.Read(ref header.Nodes)
            : (Volatile.Read(ref _region.Address[SegmentHeader.Size + slice]) & bit) != 0 ? 1 : -1;
        var (start, length) = _slices[slice];
        PartView? part = null;
        if (there >= 0 && kind == PartKind.Nodes)
        {
            ReadNodes(sequence, there);
            part = new PartView(_nodes, start, length);
        }
        else if (there >= 0)
        {
            part = kind == PartKind.Reduced
                ? new PartView(Whole(ref _reduced, header.Reduced), start, length)
                : new PartView(Whole(ref _updated, header.Updated), start, length);
        }

        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref header.Sequence) != sequence)
            return null;
        if (shown.Run == key.Run && shown.CompareTo(key) < 0)
            return null;
        return shown == key ? part : throw new StaleKeyException($"{key} was asked for; the peer is at {shown}.");
    }

    /// <summary>Whether the peer still shows this key.</summary>
    public bool IsCurrent(ExchangeKey key)
    {
        Interlocked.MemoryBarrier();
        ref var header = ref Header;
        var sequence = Volatile.Read(ref header.Sequence);
        var shown = new ExchangeKey(header.Run, header.Term, header.Generation, header.Step);
        Interlocked.MemoryBarrier();
        return sequence % 2 == 0 && shown == key && Volatile.Read(ref header.Sequence) == sequence;
    }

    /// <summary>Unmaps; views must not be used any more.</summary>
    public void Dispose() => _region.Dispose();

    private void ReadNodes(ulong sequence, int count)
    {
        if (sequence == _nodesSequence)
            return;
        if (count > SegmentHeader.MaxNodes)
            throw new InvalidDataException($"The peer's segment shows {count} nodes.");
        // A new array: one that was handed out stays as it is.
        var nodes = new ReadOnlyMemory<float>[count];
        for (var i = 0; i < count; i++)
            nodes[i] = Buffer(Header.NodeBuffers[i]);
        (_nodes, _nodesSequence) = (nodes, sequence);
    }

    private ReadOnlyMemory<float>[] Whole(ref ReadOnlyMemory<float>[] last, int index)
    {
        if (!last[0].Equals(Buffer(index)))
            last = [Buffer(index)];
        return last;
    }

    private ReadOnlyMemory<float> Buffer(int index) => (uint)index < (uint)_buffers.Length
        ? _buffers[index]
        : throw new InvalidDataException($"The peer's segment shows buffer {index} of {_buffers.Length}.");
}
