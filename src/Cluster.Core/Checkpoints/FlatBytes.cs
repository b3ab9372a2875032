using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Cluster.Core.Checkpoints;

/// <summary>
/// Floats as their bytes, in memory's own order: little-endian, as the format on disk asks, on every processor that .NET's runtime
/// for desktops and servers supports except IBM Z. A span of bytes ends at 2 GB, so vectors go piece by piece.
/// </summary>
internal static class FlatBytes
{
    /// <summary>Floats in a piece: 1 MiB, which stays in cache between hashing and writing.</summary>
    public const int Piece = 1 << 18;

    /// <summary>Hashes a whole vector.</summary>
    public static void Append(IncrementalHash hash, ReadOnlySpan<float> values)
    {
        while (!values.IsEmpty)
        {
            var piece = values[..Math.Min(values.Length, Piece)];
            hash.AppendData(MemoryMarshal.AsBytes(piece));
            values = values[piece.Length..];
        }
    }
}
