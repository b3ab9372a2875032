using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Memory;

/// <summary>Where gradients lie: memory of this process alone, or a segment that peers on this host can read.</summary>
public interface IBufferSource
{
    /// <summary>A buffer of the source's length, on a 64-byte bound, which never moves; its contents are undefined.</summary>
    Memory<float> Allocate();
}

/// <summary>Memory of this process alone.</summary>
public sealed class PrivateBuffers(int length) : IBufferSource
{
    /// <inheritdoc/>
    public Memory<float> Allocate() => PinnedBuffer.Allocate(length);
}
