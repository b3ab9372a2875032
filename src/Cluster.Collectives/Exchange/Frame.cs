using System.Buffers.Binary;
using System.IO.Hashing;

namespace Cluster.Collectives.Exchange;

/// <summary>What a frame says.</summary>
internal enum FrameKind : ushort
{
    /// <summary>Asks for a slice of the peer's nodes.</summary>
    ReadNodes = PartKind.Nodes,

    /// <summary>Asks for a reduced slice.</summary>
    ReadReduced = PartKind.Reduced,

    /// <summary>Carries the part that was asked for.</summary>
    Part = 16,

    /// <summary>The key is stale; no payload.</summary>
    Stale = 17,
}

/// <summary>
/// The fixed head of every frame, little-endian, 72 bytes: magic u32, version u16, kind u16, run u64, term i64, generation i64,
/// step i64, request i64, slice i32, length i32 (floats), payload hash u64 (XxHash3), head hash u64 (XxHash3 over the 64 bytes
/// before it). A frame that fails any check is not one: the connection ends.
/// </summary>
internal readonly record struct Frame(FrameKind Kind, ExchangeKey Key, long Request, int Slice, int Length, ulong PayloadHash)
{
    public const int Size = 72;

    /// <summary>Floats of the largest payload: 1 GiB.</summary>
    public const int MaxLength = 1 << 28;
    private const uint Magic = 0x4C58_4743; // "CGXL"
    private const ushort Version = 1;

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[4..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], (ushort)Kind);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Key.Run);
        BinaryPrimitives.WriteInt64LittleEndian(destination[16..], Key.Term);
        BinaryPrimitives.WriteInt64LittleEndian(destination[24..], Key.Generation);
        BinaryPrimitives.WriteInt64LittleEndian(destination[32..], Key.Step);
        BinaryPrimitives.WriteInt64LittleEndian(destination[40..], Request);
        BinaryPrimitives.WriteInt32LittleEndian(destination[48..], Slice);
        BinaryPrimitives.WriteInt32LittleEndian(destination[52..], Length);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[56..], PayloadHash);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[64..], XxHash3.HashToUInt64(destination[..64]));
    }

    /// <exception cref="InvalidDataException">These bytes are no frame of this protocol.</exception>
    public static Frame Read(ReadOnlySpan<byte> source)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(source) != Magic)
            throw new InvalidDataException("The bytes are no frame of this protocol.");
        if (BinaryPrimitives.ReadUInt64LittleEndian(source[64..]) != XxHash3.HashToUInt64(source[..64]))
            throw new InvalidDataException("A frame's head fails its checksum.");
        var version = BinaryPrimitives.ReadUInt16LittleEndian(source[4..]);
        if (version != Version)
            throw new InvalidDataException($"The peer speaks version {version} of the protocol, this process version {Version}.");
        var kind = (FrameKind)BinaryPrimitives.ReadUInt16LittleEndian(source[6..]);
        var length = BinaryPrimitives.ReadInt32LittleEndian(source[52..]);
        if (!Enum.IsDefined(kind) || length is < 0 or > MaxLength)
            throw new InvalidDataException($"A frame of kind {(int)kind} and {length} floats is out of range.");
        return new Frame(kind,
            new ExchangeKey(
                BinaryPrimitives.ReadUInt64LittleEndian(source[8..]), BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[24..]), BinaryPrimitives.ReadInt64LittleEndian(source[32..])),
            BinaryPrimitives.ReadInt64LittleEndian(source[40..]), BinaryPrimitives.ReadInt32LittleEndian(source[48..]), length,
            BinaryPrimitives.ReadUInt64LittleEndian(source[56..]));
    }
}
