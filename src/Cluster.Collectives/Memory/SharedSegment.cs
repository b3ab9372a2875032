using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Collectives.Memory;

/// <summary>
/// A replica's gradients in memory that peers on this host can map for reading: a header, then buffers of equal length. It lives as
/// long as the replica (infra/adr/0006): nodes survive a change of generation in place, and only the owner ever writes here, so that
/// an owner that wakes up late writes where nobody reads any more. The file has no name (memfd): nothing is left behind however
/// the process ends, and the size of /dev/shm does not matter. Memory is used as buffers are first written to.
/// Enters: what the board publishes. Leaves: buffers, and the header for peers. Does not know who reads.
/// </summary>
public sealed unsafe class SharedSegment : IBufferSource
{
    internal const string FileName = "cluster-exchange";
    private const int Page = 4_096;
    private readonly SafeFileHandle _file;
    private readonly MappedRegion _region;
    private readonly int _length, _capacity;
    private readonly long _first, _stride;
    private int _allocated;

    private SharedSegment(SlicePlan slices, int capacity)
    {
        (_length, _capacity) = (slices.Length, capacity);
        (_first, _stride) = (FirstBuffer(slices), Stride(slices.Length));
        var bytes = _first + capacity * _stride;
        _file = LinuxMemory.CreateFile(FileName, bytes);
        _region = LinuxMemory.Map(_file, bytes, writable: true);
        Address = new SegmentAddress(MemoryMarshal.Read<UInt128>(RandomNumberGenerator.GetBytes(16)), bytes, Environment.ProcessId, (int)_file.DangerousGetHandle());
        ref var header = ref Header;
        header.Token = Address.Token;
        (header.Length, header.SliceLength, header.Nodes, header.Step) = (slices.Length, slices.SliceLength, -1, -1);
    }

    /// <summary>A segment of up to <paramref name="capacity"/> buffers; null, with the reason, where the system gives none.</summary>
    public static SharedSegment? TryCreate(SlicePlan slices, int capacity, out string? refusal)
    {
        refusal = OperatingSystem.IsLinux() ? null : "segments without a name are Linux's";
        try
        {
            return refusal is null ? new SharedSegment(slices, capacity) : null;
        }
        catch (Win32Exception error)
        {
            refusal = error.Message;
            return null;
        }
    }

    /// <summary>Where peers find it.</summary>
    internal SegmentAddress Address { get; }

    private ref SegmentHeader Header => ref Unsafe.AsRef<SegmentHeader>(_region.Address);

    /// <inheritdoc/>
    public Memory<float> Allocate() => _allocated == _capacity
        ? throw new InvalidOperationException($"The segment's {_capacity} buffers are all in use.")
        : _region.Floats(_first + _allocated++ * _stride, _length);

    internal static long FirstBuffer(SlicePlan slices) => RoundUp(SegmentHeader.Size + slices.Count);

    internal static long Stride(int length) => RoundUp((long)length * sizeof(float));

    /// <summary>Shows another key, and nothing for it yet.</summary>
    internal void Advance(ExchangeKey key)
    {
        ref var header = ref Header;
        Volatile.Write(ref header.Sequence, header.Sequence | 1);
        Interlocked.MemoryBarrier();
        (header.Run, header.Term, header.Generation, header.Step, header.Nodes) = (key.Run, key.Term, key.Generation, key.Step, -1);
        new Span<byte>(_region.Address + SegmentHeader.Size, (int)(_first - SegmentHeader.Size)).Clear();
        Volatile.Write(ref header.Sequence, header.Sequence + 1);
    }

    internal void ShowNodes(ReadOnlySpan<ReadOnlyMemory<float>> nodes)
    {
        ref var header = ref Header;
        for (var i = 0; i < nodes.Length; i++)
            header.NodeBuffers[i] = IndexOf(nodes[i]);
        Volatile.Write(ref header.Nodes, nodes.Length);
    }

    internal void ShowReduced(int slice, ReadOnlyMemory<float> reduced)
    {
        Header.Reduced = IndexOf(reduced);
        Show(slice, SegmentHeader.IsReduced);
    }

    internal void ShowUpdated(int slice, ReadOnlyMemory<float> updated)
    {
        Header.Updated = IndexOf(updated);
        Show(slice, SegmentHeader.IsUpdated);
    }

    private void Show(int slice, byte bit)
    {
        ref var bits = ref _region.Address[SegmentHeader.Size + slice];
        Volatile.Write(ref bits, (byte)(bits | bit));
    }

    private int IndexOf(ReadOnlyMemory<float> buffer)
    {
        var offset = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(buffer.Span)) - _region.Address - _first;
        return buffer.Length == _length && offset >= 0 && offset % _stride == 0 && offset / _stride < _allocated
            ? (int)(offset / _stride)
            : throw new ArgumentException("The buffer is none of this segment's.", nameof(buffer));
    }

    private static long RoundUp(long bytes) => (bytes + Page - 1) / Page * Page;
}
