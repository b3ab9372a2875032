using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Reduction;

// In: a length. Out: floats that never move and start on a 64-byte bound, so that vectors, sockets and native code can use them
// without pinning. It does not know what they hold.
internal static class PinnedBuffer
{
    /// <summary>A cache line and a full vector, in bytes.</summary>
    private const int Bound = 64;

    public static unsafe Memory<float> Allocate(int length)
    {
        var array = GC.AllocateUninitializedArray<float>(length + Bound / sizeof(float) - 1, pinned: true);
        var address = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        var skipped = (int)((Bound - address % Bound) % Bound / sizeof(float));
        return MemoryMarshal.CreateFromPinnedArray(array, skipped, length);
    }
}
