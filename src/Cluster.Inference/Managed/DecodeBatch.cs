using System.Runtime.InteropServices;

namespace Cluster.Inference.Managed;

/// <summary>
/// The rows of one pass through the model, set by the caller before the threads start and only read by them. A run is rows of one sequence
/// that follow each other: all rows of a prefill, each row of a decode.
/// </summary>
internal sealed unsafe class DecodeBatch : IDisposable
{
    private readonly byte* _memory;

    /// <param name="maxRows">Most rows.</param>
    /// <param name="maxBlocks">Most blocks of a sequence.</param>
    public DecodeBatch(int maxRows, int maxBlocks)
    {
        (MaxRows, MaxBlocks) = (maxRows, maxBlocks);
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)maxRows * (nuint)(maxBlocks * sizeof(byte*)) + (nuint)((3 * maxRows + 1) * sizeof(int)), 64);
        Blocks = (byte**)_memory;
        Ids = (int*)(Blocks + (long)maxRows * maxBlocks);
        Positions = Ids + maxRows;
        RunStarts = Positions + maxRows;
    }

    /// <summary>Most rows.</summary>
    public int MaxRows { get; }

    /// <summary>Most blocks of a sequence.</summary>
    public int MaxBlocks { get; }

    /// <summary>Threads that share this pass.</summary>
    public int Threads { get; set; } = 1;

    /// <summary>Rows of this pass.</summary>
    public int Rows { get; set; }

    /// <summary>Runs of this pass.</summary>
    public int Runs { get; set; }

    /// <summary>The first row of each run, then <see cref="Rows"/>.</summary>
    public int* RunStarts { get; }

    /// <summary>The token of each row.</summary>
    public int* Ids { get; }

    /// <summary>Each row's place in its sequence.</summary>
    public int* Positions { get; }

    /// <summary>[runs, <see cref="MaxBlocks"/>]: where the blocks of each run's sequence lie.</summary>
    public byte** Blocks { get; }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
