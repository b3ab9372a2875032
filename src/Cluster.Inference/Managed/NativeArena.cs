using System.Runtime.InteropServices;

namespace Cluster.Inference.Managed;

/// <summary>One zeroed piece of native memory that parts are cut from; all parts live as long as the arena.</summary>
internal sealed unsafe class NativeArena : IDisposable
{
    private const nuint HugePage = 1 << 21;
    private const int AdviseHugePages = 14; // MADV_HUGEPAGE of Linux
    private byte* _start;
    private readonly nuint _size;
    private nuint _used;

    /// <param name="bytes">Sum of <see cref="Align"/>ed sizes of all parts.</param>
    public NativeArena(long bytes)
    {
        _size = ((nuint)bytes + HugePage - 1) / HugePage * HugePage;
        _start = (byte*)NativeMemory.AlignedAlloc(_size, HugePage);
        // A decode step walks through all weights: with pages of 4 KB it would miss the TLB every 4 KB. A refusal costs speed only.
        if (OperatingSystem.IsLinux())
            _ = Advise(_start, _size, AdviseHugePages);
        NativeMemory.Clear(_start, _size);
    }

    /// <summary>The bytes a part takes: rounded up to a cache line.</summary>
    public static long Align(long bytes) => (bytes + 63) / 64 * 64;

    /// <summary>The next part, on a 64-byte bound.</summary>
    public void* Take(long bytes)
    {
        var part = _start + _used;
        _used += (nuint)Align(bytes);
        return _used <= _size ? part : throw new InvalidOperationException("the arena was made too small");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_start);
        _start = null;
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(void* address, nuint length, int advice);
}
