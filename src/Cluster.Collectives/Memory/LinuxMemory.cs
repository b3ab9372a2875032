using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Collectives.Memory;

/// <summary>The three calls of Linux that shared memory needs and .NET does not wrap: memfd_create(2), ftruncate(2), mmap(2).</summary>
internal static partial class LinuxMemory
{
    private const uint CloseOnExec = 1; // MFD_CLOEXEC
    private const int Read = 1, ReadWrite = 3, Shared = 1; // PROT_*, MAP_SHARED

    /// <summary>A file without a name or a folder, in memory, gone with the last process that has it open or mapped.</summary>
    /// <exception cref="Win32Exception">The kernel refuses.</exception>
    public static SafeFileHandle CreateFile(string name, long bytes)
    {
        var handle = new SafeFileHandle(memfd_create(name, CloseOnExec), ownsHandle: true);
        if (handle.IsInvalid || ftruncate(handle, bytes) != 0)
        {
            var error = new Win32Exception();
            handle.Dispose();
            throw error;
        }

        return handle;
    }

    /// <summary>Maps a file's first bytes.</summary>
    /// <exception cref="Win32Exception">The kernel refuses.</exception>
    public static MappedRegion Map(SafeFileHandle file, long bytes, bool writable)
    {
        var address = mmap(0, (nuint)bytes, writable ? ReadWrite : Read, Shared, file, 0);
        return address == -1 ? throw new Win32Exception() : new MappedRegion(address, bytes);
    }

    public static void Unmap(nint address, long bytes) => _ = munmap(address, (nuint)bytes);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeFileHandle file, long bytes);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint bytes, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int munmap(nint address, nuint bytes);
}
