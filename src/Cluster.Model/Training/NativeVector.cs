using System.Buffers;
using System.Runtime.InteropServices;

namespace Cluster.Model.Training;

/// <summary>
/// A zeroed vector of floats outside the managed heap, on a 64-byte bound. It is freed when nobody refers to it any more, its
/// <see cref="MemoryManager{T}.Memory"/> included: a peer may still be reading a state whose engine has ended.
/// </summary>
internal sealed unsafe class NativeVector : MemoryManager<float>
{
    private const int DontNeed = 4; // MADV_DONTNEED of Linux
    private static readonly nuint s_page = (nuint)Environment.SystemPageSize;
    private readonly Block _block;
    private readonly int _length;

    /// <param name="length">Floats.</param>
    /// <param name="whole">Whether all of it is going to be used; else memory is taken where it is first written to.</param>
    public NativeVector(int length, bool whole = true)
    {
        (_length, _block) = (length, new Block((nuint)length * sizeof(float)));
        if (whole)
            NativeMemory.Clear(Pointer, (nuint)length * sizeof(float));
        else
            Release(0, length);
    }

    public float* Pointer => _block.Pointer;

    public override Span<float> GetSpan() => new(_block.Pointer, _length);

    /// <summary>
    /// Makes some elements zero and gives their memory back to the system, which lends it again when they are written to. (Whole pages
    /// only; the rest is cleared.)
    /// </summary>
    public void Release(int start, int count)
    {
        if (count == 0)
            return;
        var (begin, end) = ((nuint)(Pointer + start), (nuint)(Pointer + start + count));
        var (first, last) = ((begin + s_page - 1) / s_page * s_page, end / s_page * s_page);
        if (!OperatingSystem.IsLinux() || last <= first || Advise((void*)first, last - first, DontNeed) != 0)
            (first, last) = (end, end);
        NativeMemory.Clear((void*)begin, first - begin);
        NativeMemory.Clear((void*)last, end - last);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(Pointer + elementIndex, default, this);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(void* address, nuint length, int advice);

    private sealed class Block
    {
        private readonly nuint _bytes;

        public Block(nuint bytes)
        {
            _bytes = bytes;
            Pointer = (float*)NativeMemory.AlignedAlloc(bytes, 64);
            GC.AddMemoryPressure((long)bytes);
        }

        ~Block()
        {
            NativeMemory.AlignedFree(Pointer);
            GC.RemoveMemoryPressure((long)_bytes);
        }

        public float* Pointer { get; }
    }
}
