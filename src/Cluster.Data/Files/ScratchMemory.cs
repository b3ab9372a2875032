// Enters: how many values are needed, and how many bytes of memory may be used. Leaves: memory, or a file that looks like it.
// Does not know: what the values mean.

using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Cluster.Data.Files;

/// <summary>
/// Memory under a budget: pieces that no longer fit lie in mapped files of a scratch folder, which the system writes back and drops as it
/// needs to. All of it is zero at first, and freed when this is disposed. One thread at a time.
/// </summary>
/// <param name="scratch">Folder for files.</param>
/// <param name="memoryBytes">Bytes that may lie in memory of the process itself.</param>
internal sealed unsafe class ScratchMemory(string scratch, long memoryBytes) : IDisposable
{
    private readonly List<nint> _native = [];
    private readonly List<(MemoryMappedFile File, MemoryMappedViewAccessor View)> _mapped = [];

    /// <summary>Bytes that still fit.</summary>
    public long Left { get; private set; } = memoryBytes;

    /// <summary>Bytes that lie in files.</summary>
    public long MappedBytes { get; private set; }

    /// <summary>Room for <paramref name="count"/> values; valid until this is disposed.</summary>
    public T* Allocate<T>(long count)
        where T : unmanaged
    {
        var bytes = checked(Math.Max(1, count) * sizeof(T));
        if (bytes <= Left)
        {
            Left -= bytes;
            var memory = (nint)NativeMemory.AllocZeroed((nuint)bytes);
            _native.Add(memory);
            return (T*)memory;
        }

        var stream = new FileStream(
            Path.Combine(scratch, Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        var file = MemoryMappedFile.CreateFromFile(stream, null, bytes, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
        var view = file.CreateViewAccessor(0, bytes);
        _mapped.Add((file, view));
        MappedBytes += bytes;
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return (T*)(pointer + view.PointerOffset);
    }

    public void Dispose()
    {
        foreach (var memory in _native)
            NativeMemory.Free((void*)memory);
        foreach (var (file, view) in _mapped)
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            file.Dispose();
        }

        _native.Clear();
        _mapped.Clear();
    }
}
