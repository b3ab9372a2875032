using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Collectives.Memory;

/// <summary>
/// A mapping, unmapped when it is disposed or when nobody refers to it any more. Floats in it are handed out as <see cref="Memory{T}"/>
/// that keep it alive.
/// </summary>
internal sealed unsafe class MappedRegion : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly long _bytes;

    public MappedRegion(nint address, long bytes)
        : base(ownsHandle: true)
    {
        SetHandle(address);
        _bytes = bytes;
    }

    /// <summary>First byte.</summary>
    public byte* Address => IsClosed ? throw new ObjectDisposedException(nameof(MappedRegion)) : (byte*)handle;

    /// <summary>Some floats of the mapping; not to be written where it is mapped for reading.</summary>
    public Memory<float> Floats(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + (long)length * sizeof(float), _bytes);
        return new MappedFloats(this, offset, length).Memory;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LinuxMemory.Unmap(handle, _bytes);
        return true;
    }

    private sealed class MappedFloats(MappedRegion region, long offset, int length) : MemoryManager<float>
    {
        public override Span<float> GetSpan() => new(region.Address + offset, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new((float*)(region.Address + offset) + elementIndex, default, this);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
