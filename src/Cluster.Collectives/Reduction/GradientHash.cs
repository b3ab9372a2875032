using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// Names the bits of vectors. XxHash128 (Collet, 2020), not a cryptographic hash: it guards against faults of machines, which do
/// not search for collisions, and runs at memory speed.
/// </summary>
public static class GradientHash
{
    /// <summary>Bytes of a hash.</summary>
    internal const int Size = 16;

    /// <summary>Hash of a whole vector, 32 lower-case hex digits.</summary>
    public static string Of(ReadOnlySpan<float> vector)
    {
        var hash = new XxHash128();
        Append(hash, vector);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>
    /// The name of a reduced gradient in READY and COMMIT: XxHash128 over the 16-byte hashes of its slices in order (a Merkle tree
    /// of depth one). A replica hashes each slice while it is in cache, in whatever order the slices arrive.
    /// </summary>
    public static string Of(ReadOnlySpan<float> gradient, SlicePlan slices)
    {
        var hashes = new byte[slices.Count * Size];
        var hash = new XxHash128();
        for (var i = 0; i < slices.Count; i++)
        {
            var (start, length) = slices[i];
            Append(hash, gradient.Slice(start, length));
            hash.GetHashAndReset(hashes.AsSpan(i * Size));
        }

        return OfSlices(hashes);
    }

    /// <summary>Hash of one slice; its 16 bytes, most significant first, are what the gradient's name is made of.</summary>
    public static UInt128 OfSlice(ReadOnlySpan<float> slice) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(slice));

    /// <summary>The gradient's name from its slices' hashes.</summary>
    internal static string OfSlices(ReadOnlySpan<byte> hashes)
    {
        Span<byte> name = stackalloc byte[Size];
        XxHash128.Hash(hashes, name);
        return Convert.ToHexStringLower(name);
    }

    private static void Append(XxHash128 hash, ReadOnlySpan<float> values)
    {
        // Spans of bytes end at 2 GB; gradients do not.
        const int part = 1 << 24;
        for (var start = 0; start < values.Length; start += part)
            hash.Append(MemoryMarshal.AsBytes(values.Slice(start, Math.Min(part, values.Length - start))));
    }
}
