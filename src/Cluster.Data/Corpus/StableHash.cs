using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Cluster.Data.Corpus;

/// <summary>
/// Hashes of text that are the same on every machine and in every run: prefixes of the SHA-256 of the text's UTF-16 code units,
/// little-endian. Text in, integer out.
/// </summary>
public static class StableHash
{
    /// <summary>The first 64 bits.</summary>
    public static ulong Of64(string text) => (ulong)Of128(text);

    /// <summary>The first 128 bits; two of 10^9 texts collide with a probability below 10^-20.</summary>
    public static UInt128 Of128(string text)
    {
        // Every .NET platform that can run this is little-endian, so the characters' memory is the canonical form.
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan()), digest);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(digest);
    }
}
