using System.Buffers;
using System.Runtime.InteropServices;

namespace Cluster.Model.Training;

/// <summary>
/// A zeroed vector of floats outside the managed heap, on a 64-byte bound. It is freed when nobody refers to it any more, its
/// <see cref="MemoryManager{T}.Memory"/> included: a peer may still be reading a state whose engine has ended.
/// </summary>
internal sealed unsafe class NativeVector(int length) : MemoryManager<float>
{
    private readonly Block _block = new((nuint)length * sizeof(float));

    public float* Pointer => _block.Pointer;

    public override Span<float> GetSpan() => new(_block.Pointer, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(Pointer + elementIndex, default, this);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }

    private sealed class Block
    {
        private readonly nuint _bytes;

        public Block(nuint bytes)
        {
            _bytes = bytes;
            Pointer = (float*)NativeMemory.AlignedAlloc(bytes, 64);
            NativeMemory.Clear(Pointer, bytes);
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
