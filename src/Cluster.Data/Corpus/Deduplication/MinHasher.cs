// Enters: hashes of shingles. Leaves: the least value of each hash function, and a bucket per band. Does not know: texts, files.

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// Minima of a set under many hash functions: the share of equal minima of two sets estimates their Jaccard similarity (Broder, "On the
/// resemblance and containment of documents", 1997). Function i of a 64-bit shingle (high, low) is
/// (a_i + low)(c_i + high) + b_i modulo 2^64, pair-multiply-shift (Thorup, "High speed hashing for integers and strings", 2015, section
/// 3.5), whose upper 32 bits are strongly universal; they decide nearly every comparison, and the lower ones the rest. Unlike
/// multiplication modulo a Mersenne prime it needs no 128-bit products, so eight functions fit one vector. Whole numbers only: every
/// machine finds the same minima.
/// </summary>
internal sealed class MinHasher
{
    private const int Lanes = 8;

    // Of groups of 16 functions: 16 values of a, 16 of c, 16 of b.
    private readonly ulong[] _constants;
    private readonly ulong[] _minima;
    private readonly int _bands, _rows;

    public MinHasher(MinHashOptions options)
    {
        (_bands, _rows) = (options.Bands, options.Rows);
        var groups = (options.Permutations + 2 * Lanes - 1) / (2 * Lanes);
        _minima = new ulong[groups * 2 * Lanes];
        _constants = new ulong[groups * 6 * Lanes];
        for (var i = 0; i < _minima.Length; i++)
        {
            // Each function draws from a stream of its own, so that more bands leave the first ones as they were.
            var random = new CounterRandom(options.Seed, RandomPurpose.Deduplication, (ulong)i);
            for (var k = 0; k < 3; k++)
                _constants[i / (2 * Lanes) * 6 * Lanes + k * 2 * Lanes + i % (2 * Lanes)] = random.UInt64((ulong)k);
        }
    }

    /// <summary>Computes both.</summary>
    /// <param name="shingles">At least one.</param>
    /// <param name="signature">Takes bands × rows minima, band by band.</param>
    /// <param name="buckets">Takes a hash per band.</param>
    public void Compute(ReadOnlySpan<ulong> shingles, Span<ulong> signature, Span<ulong> buckets)
    {
        for (var group = 0; group < _minima.Length / (2 * Lanes); group++)
            Minima(shingles, _constants.AsSpan(group * 6 * Lanes, 6 * Lanes), _minima.AsSpan(group * 2 * Lanes, 2 * Lanes));
        _minima.AsSpan(0, signature.Length).CopyTo(signature);
        for (var band = 0; band < _bands; band++)
        {
            var hash = (ulong)_rows;
            foreach (var value in signature.Slice(band * _rows, _rows))
                hash = WordNgrams.Mix(BitOperations.RotateLeft(hash, 23) ^ value);
            buckets[band] = hash;
        }
    }

    private static void Minima(ReadOnlySpan<ulong> shingles, ReadOnlySpan<ulong> constants, Span<ulong> minima)
    {
        ref var c = ref MemoryMarshal.GetReference(constants);
        Vector512<ulong> a0 = Vector512.LoadUnsafe(ref c), a1 = Vector512.LoadUnsafe(ref c, Lanes);
        Vector512<ulong> c0 = Vector512.LoadUnsafe(ref c, 2 * Lanes), c1 = Vector512.LoadUnsafe(ref c, 3 * Lanes);
        Vector512<ulong> b0 = Vector512.LoadUnsafe(ref c, 4 * Lanes), b1 = Vector512.LoadUnsafe(ref c, 5 * Lanes);
        Vector512<ulong> least0 = Vector512<ulong>.AllBitsSet, least1 = least0;
        foreach (var shingle in shingles)
        {
            Vector512<ulong> low = Vector512.Create((ulong)(uint)shingle), high = Vector512.Create(shingle >> 32);
            least0 = Vector512.Min(least0, (a0 + low) * (c0 + high) + b0);
            least1 = Vector512.Min(least1, (a1 + low) * (c1 + high) + b1);
        }

        least0.CopyTo(minima);
        least1.CopyTo(minima[Lanes..]);
    }

    /// <summary>The share of equal minima of two signatures as stored: the estimate of the Jaccard similarity.</summary>
    public static float Similarity(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        ReadOnlySpan<ulong> left = MemoryMarshal.Cast<byte, ulong>(a), right = MemoryMarshal.Cast<byte, ulong>(b);
        var equal = 0;
        for (var i = 0; i < left.Length; i++)
            equal += left[i] == right[i] ? 1 : 0;
        return equal / (float)left.Length;
    }
}
