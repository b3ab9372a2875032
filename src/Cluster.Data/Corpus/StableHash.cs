using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// Hashes of texts that are the same on every machine and in every run: the first bytes of SHA-256 over UTF-8, little-endian.
/// <see cref="string.GetHashCode()"/> differs between processes.
/// </summary>
public static class StableHash
{
    /// <summary>64 bits: enough to place a key, not to prove that two texts are equal.</summary>
    public static ulong Hash64(ReadOnlySpan<char> text)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        Digest(text, digest);
        return BinaryPrimitives.ReadUInt64LittleEndian(digest);
    }

    /// <summary>128 bits: equal hashes mean equal texts (odds of an accident among 2^32 texts: below 2^-64).</summary>
    public static UInt128 Hash128(ReadOnlySpan<char> text)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        Digest(text, digest);
        return BinaryPrimitives.ReadUInt128LittleEndian(digest);
    }

    private static void Digest(ReadOnlySpan<char> text, Span<byte> digest)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        SHA256.HashData(buffer.AsSpan(0, Encoding.UTF8.GetBytes(text, buffer)), digest);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
