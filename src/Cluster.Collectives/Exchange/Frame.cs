using System.Buffers.Binary;

namespace Cluster.Collectives.Exchange;

/// <summary>What a frame says.</summary>
internal enum FrameKind : ushort
{
    /// <summary>Asks for a slice of the peer's nodes.</summary>
    ReadNodes = 1,

    /// <summary>Asks for a reduced slice.</summary>
    ReadReduced = 2,

    /// <summary>Asks to be told when the peer's nodes are there, to be read in its shared segment.</summary>
    AwaitNodes = 3,

    /// <summary>Asks to be told when a reduced slice is there.</summary>
    AwaitReduced = 4,

    /// <summary>Asks for a slice of the parameters after the step.</summary>
    ReadUpdated = 5,

    /// <summary>Asks to be told when that slice is there.</summary>
    AwaitUpdated = 6,

    /// <summary>Asks for a sign of life.</summary>
    Ping = 8,

    /// <summary>Asks for hashes and squares of the peer's sums.</summary>
    ReadSums = 9,

    /// <summary>Asks for hashes of the moments that the peer holds.</summary>
    ReadHoldings = 10,

    /// <summary>Asks for a slice of both moments.</summary>
    ReadMoments = 11,

    /// <summary>The server's first frame: where its shared segment is, or nothing.</summary>
    Hello = 16,

    /// <summary>Carries the part that was asked for.</summary>
    Part = 17,

    /// <summary>What was awaited is there; no payload.</summary>
    There = 18,

    /// <summary>The key is stale; no payload.</summary>
    Stale = 19,

    /// <summary>The sign of life.</summary>
    Pong = 20,
}

/// <summary>Which requests ask for which parts.</summary>
internal static class FrameKinds
{
    /// <param name="kind">The part.</param>
    /// <param name="mapped">Whether it is to be read in the peer's memory, and only its being there is asked for.</param>
    public static FrameKind RequestOf(PartKind kind, bool mapped) => (kind, mapped && !kind.AlwaysTravels()) switch
    {
        (PartKind.Nodes, false) => FrameKind.ReadNodes,
        (PartKind.Nodes, true) => FrameKind.AwaitNodes,
        (PartKind.Reduced, false) => FrameKind.ReadReduced,
        (PartKind.Reduced, true) => FrameKind.AwaitReduced,
        (PartKind.Updated, false) => FrameKind.ReadUpdated,
        (PartKind.Updated, true) => FrameKind.AwaitUpdated,
        (PartKind.Sums, _) => FrameKind.ReadSums,
        (PartKind.Holdings, _) => FrameKind.ReadHoldings,
        (PartKind.Moments, _) => FrameKind.ReadMoments,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>What a request asks for, and whether only to be told of; null for a frame that is no request.</summary>
    public static (PartKind Kind, bool Awaits)? PartOf(FrameKind kind) => kind switch
    {
        FrameKind.ReadNodes => (PartKind.Nodes, false),
        FrameKind.AwaitNodes => (PartKind.Nodes, true),
        FrameKind.ReadReduced => (PartKind.Reduced, false),
        FrameKind.AwaitReduced => (PartKind.Reduced, true),
        FrameKind.ReadUpdated => (PartKind.Updated, false),
        FrameKind.AwaitUpdated => (PartKind.Updated, true),
        FrameKind.ReadSums => (PartKind.Sums, false),
        FrameKind.ReadHoldings => (PartKind.Holdings, false),
        FrameKind.ReadMoments => (PartKind.Moments, false),
        _ => null,
    };
}

/// <summary>
/// The fixed head of every frame, little-endian, 96 bytes: magic u32, version u16, kind u16, run u64, term i64, generation i64,
/// step i64, request i64, slice i32, length i32 (words of the payload, 32 bits each: an fp32, or two bf16), payload hash u64 (XxHash128's lower half), place of
/// the frame among those of its direction i64, and 24 bytes of a keyed hash over all before (<see cref="Session"/>).
/// </summary>
internal readonly record struct Frame(FrameKind Kind, ExchangeKey Key, long Request, int Slice, int Length, ulong PayloadHash)
{
    public const int Size = Unsealed + Seal;

    /// <summary>Bytes before the seal.</summary>
    public const int Unsealed = 72;

    /// <summary>Bytes of the seal.</summary>
    public const int Seal = 24;

    /// <summary>Words of the largest payload: 1 GiB.</summary>
    public const int MaxLength = 1 << 28;

    private const uint Magic = 0x4C58_4743; // "CGXL"
    private const ushort Version = 4;

    public void Write(Span<byte> destination, long place)
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
        BinaryPrimitives.WriteInt64LittleEndian(destination[64..], place);
    }

    /// <summary>Reads what can be known before the seal is checked: that these bytes claim to be a frame of this version.</summary>
    public static bool IsFrame(ReadOnlySpan<byte> head, out string? problem)
    {
        var version = BinaryPrimitives.ReadUInt16LittleEndian(head[4..]);
        problem = BinaryPrimitives.ReadUInt32LittleEndian(head) != Magic ? "The bytes are no frame of this protocol."
            : version != Version ? $"The peer speaks version {version} of the protocol, this process version {Version}."
            : null;
        return problem is null;
    }

    /// <summary>Reads a head whose seal holds; false for a kind or length out of range.</summary>
    public static bool TryRead(ReadOnlySpan<byte> head, out Frame frame, out long place)
    {
        var kind = (FrameKind)BinaryPrimitives.ReadUInt16LittleEndian(head[6..]);
        var length = BinaryPrimitives.ReadInt32LittleEndian(head[52..]);
        place = BinaryPrimitives.ReadInt64LittleEndian(head[64..]);
        frame = new Frame(kind,
            new ExchangeKey(
                BinaryPrimitives.ReadUInt64LittleEndian(head[8..]), BinaryPrimitives.ReadInt64LittleEndian(head[16..]),
                BinaryPrimitives.ReadInt64LittleEndian(head[24..]), BinaryPrimitives.ReadInt64LittleEndian(head[32..])),
            BinaryPrimitives.ReadInt64LittleEndian(head[40..]), BinaryPrimitives.ReadInt32LittleEndian(head[48..]), length,
            BinaryPrimitives.ReadUInt64LittleEndian(head[56..]));
        return Enum.IsDefined(kind) && length is >= 0 and <= MaxLength;
    }
}
