using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Data.Tokens;

/// <summary>
/// A short ASCII piece in sixteen bytes: its characters, zeros, and its length in the last. Different pieces have different keys. Nearly
/// all pieces of text in Latin script are such, and a table of keys needs no strings.
/// </summary>
internal readonly record struct PieceKey(ulong Low, ulong High)
{
    /// <summary>Characters that fit.</summary>
    public const int MaximumLength = 15;

    private static ReadOnlySpan<byte> Window =>
    [
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    /// <summary>Whether it holds no piece.</summary>
    public bool IsEmpty => High == 0;

    /// <summary>Characters of the piece.</summary>
    public int Length => (int)(High >> 56);

    /// <summary>A well-mixed hash: the folded product of both halves, each made different from zero (as in wyhash).</summary>
    public ulong Hash
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var high = Math.BigMul(Low ^ 0x9E3779B97F4A7C15UL, High ^ 0xE7037ED1A0B428DBUL, out var low);
            return high ^ low;
        }
    }

    /// <summary>The first <paramref name="length"/> bytes, 1 to 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PieceKey Of(Vector128<byte> bytes, int length)
    {
        var kept = (bytes & Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(Window), (nuint)(16 - length))).AsUInt64();
        return new PieceKey(kept[0], kept[1] | ((ulong)length << 56));
    }

    /// <summary>The piece, or nothing if it is too long or not ASCII.</summary>
    public static PieceKey Of(ReadOnlySpan<char> piece)
    {
        if (piece.Length is 0 or > MaximumLength)
            return default;
        ulong low = 0, high = 0;
        for (var i = 0; i < piece.Length; i++)
        {
            if (piece[i] >= 128)
                return default;
            if (i < 8)
                low |= (ulong)piece[i] << (8 * i);
            else
                high |= (ulong)piece[i] << (8 * (i - 8));
        }

        return new PieceKey(low, high | ((ulong)piece.Length << 56));
    }

    /// <summary>Writes the piece's bytes.</summary>
    /// <param name="destination">16 bytes; those after the piece are overwritten.</param>
    /// <returns>Its length.</returns>
    public int CopyTo(Span<byte> destination)
    {
        MemoryMarshal.Write(destination, Low);
        MemoryMarshal.Write(destination[8..], High);
        return Length;
    }
}
