using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Reduction;

// In: a length. Out: floats that never move and start on a 64-byte bound, so that vectors, sockets and native code can use them
// without pinning. It does not know what they hold.
internal static class PinnedBuffer
{
    public static unsafe Memory<float> Allocate(int length)
    {
        var array = GC.AllocateUninitializedArray<float>(length + SlicePlan.Alignment - 1, pinned: true);
        var address = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        var skipped = (int)((64 - address % 64) % 64 / sizeof(float));
        return MemoryMarshal.CreateFromPinnedArray(array, skipped, length);
    }
}
