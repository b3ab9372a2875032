using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Cluster.Core.Models;
using Cluster.Core.Numerics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// Writes the slices of the reduced gradient, in any order, and hashes and squares every block while it is in the first-level
/// cache. Whatever a slice comes from - added up here, copied from its owner, received into place - its hash is taken from what this
/// replica holds, here or as it arrived, so that unequal bits show in READY.
/// Enters: slices. Leaves: the gradient's hash and norm. Does not know keys or peers. Not thread-safe.
/// </summary>
/// <param name="slices">The cut of the gradient's words.</param>
/// <param name="precision">How the numbers lie in them.</param>
internal sealed class SliceSums(SlicePlan slices, ReductionPrecision precision)
{
    /// <summary>Words that a block of the norm lies in.</summary>
    private readonly int _normBlock = precision.WordsOf(BlockNorm.Block);
    private readonly byte[] _hashes = new byte[slices.Count * GradientHash.Size];
    private readonly double[] _squares = new double[(slices.Length - 1) / precision.WordsOf(BlockNorm.Block) + 1];
    private readonly float[] _wide = precision == ReductionPrecision.Bf16 ? new float[BlockNorm.Block] : [];
    private readonly XxHash128 _hash = new();

    /// <summary>Adds a slice's operands up.</summary>
    /// <param name="operands">The slice of every node, in lane order.</param>
    /// <param name="reduced">The whole gradient.</param>
    /// <returns>The slice's hash.</returns>
    public UInt128 Add(int slice, BlockFold fold, ReadOnlySpan<ReadOnlyMemory<float>> operands, Span<float> reduced)
    {
        var (start, length) = slices[slice];
        for (var i = 0; i < length; i += BlockNorm.Block)
        {
            var block = reduced.Slice(start + i, Math.Min(BlockNorm.Block, length - i));
            fold.Run(operands, i, block);
            Note(start + i, block);
        }

        return End(slice);
    }

    /// <summary>Copies a slice that its owner has added up.</summary>
    public void Copy(int slice, ReadOnlySpan<float> source, Span<float> reduced)
    {
        var (start, length) = slices[slice];
        for (var i = 0; i < length; i += BlockNorm.Block)
        {
            var block = reduced.Slice(start + i, Math.Min(BlockNorm.Block, length - i));
            source.Slice(i, block.Length).CopyTo(block);
            Note(start + i, block);
        }

        End(slice);
    }

    /// <summary>Takes a slice that already lies in place and was hashed there.</summary>
    public void Take(int slice, ReadOnlySpan<float> reduced, UInt128 hash)
    {
        var (start, length) = slices[slice];
        for (var i = 0; i < length; i += BlockNorm.Block)
            Square(start + i, reduced.Slice(start + i, Math.Min(BlockNorm.Block, length - i)));
        Store(slice, hash);
    }

    /// <summary>Floats in which the hashes and squares of some slices are told.</summary>
    public int NotesLength(int first, int count) => count * (GradientHash.Size / sizeof(float)) + Blocks(first, count).Length * (sizeof(double) / sizeof(float));

    /// <summary>Writes the bits of some slices' hashes and squares, for those who have not the slices themselves.</summary>
    public void WriteNotes(int first, int count, Span<float> notes)
    {
        var hashes = _hashes.AsSpan(first * GradientHash.Size, count * GradientHash.Size);
        var bytes = MemoryMarshal.AsBytes(notes);
        hashes.CopyTo(bytes);
        MemoryMarshal.AsBytes(Blocks(first, count)).CopyTo(bytes[hashes.Length..]);
    }

    /// <summary>Takes what <see cref="WriteNotes"/> wrote at the slices' owner.</summary>
    public void TakeNotes(int first, int count, ReadOnlySpan<float> notes)
    {
        var hashes = _hashes.AsSpan(first * GradientHash.Size, count * GradientHash.Size);
        var bytes = MemoryMarshal.AsBytes(notes);
        bytes[..hashes.Length].CopyTo(hashes);
        bytes[hashes.Length..].CopyTo(MemoryMarshal.AsBytes(Blocks(first, count)));
    }

    /// <summary>Hash and norm of the whole, once every slice was written.</summary>
    public ReducedGradient Total() => new(GradientHash.OfSlices(_hashes), BlockNorm.Total(_squares));

    private Span<double> Blocks(int first, int count)
    {
        if (count == 0)
            return [];
        var perSlice = slices.SliceLength / BlockNorm.Block;
        return _squares.AsSpan(first * perSlice, Math.Min(count * perSlice, _squares.Length - first * perSlice));
    }

    private void Note(int start, ReadOnlySpan<float> block)
    {
        _hash.Append(MemoryMarshal.AsBytes(block));
        Square(start, block);
    }

    private void Square(int start, ReadOnlySpan<float> block)
    {
        for (var i = 0; i < block.Length; i += _normBlock)
        {
            var words = block.Slice(i, Math.Min(_normBlock, block.Length - i));
            _squares[(start + i) / _normBlock] = BlockNorm.Squares(precision == ReductionPrecision.Bf16 ? Widened(words) : words);
        }
    }

    private ReadOnlySpan<float> Widened(ReadOnlySpan<float> words)
    {
        var numbers = _wide.AsSpan(0, 2 * words.Length);
        PackedBf16.Widen(words, numbers);
        return numbers;
    }

    private UInt128 End(int slice)
    {
        var hash = _hash.GetCurrentHashAsUInt128();
        _hash.Reset();
        Store(slice, hash);
        return hash;
    }

    private void Store(int slice, UInt128 hash) => BinaryPrimitives.WriteUInt128BigEndian(_hashes.AsSpan(slice * GradientHash.Size), hash);
}
