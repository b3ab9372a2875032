using System.Buffers;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Exchange;

/// <summary>Floats seen as bytes, so that a payload lands and leaves where it is used. One object sees many buffers, one at a time.</summary>
internal sealed unsafe class FloatBytes : MemoryManager<byte>
{
    private Memory<float> _floats;
    private MemoryHandle _handle;

    /// <summary>Turns to other floats and gives their bytes.</summary>
    public Memory<byte> Of(Memory<float> floats)
    {
        _floats = floats;
        return CreateMemory(floats.Length * sizeof(float));
    }

    /// <summary>Bytes that are only read.</summary>
    public ReadOnlyMemory<byte> Of(ReadOnlyMemory<float> floats) => Of(MemoryMarshal.AsMemory(floats));

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(_floats.Span);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        _handle = _floats.Pin();
        return new MemoryHandle((byte*)_handle.Pointer + elementIndex, default, this);
    }

    /// <inheritdoc/>
    public override void Unpin() => _handle.Dispose();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
