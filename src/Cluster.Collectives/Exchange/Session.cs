using System.Security.Cryptography;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// What the two ends of one connection share after the handshake. Every frame's head carries its place among the frames of its
/// direction, and HMAC-SHA256 (RFC 2104), cut to 24 bytes, under a key that both nonces and the direction are mixed into. A frame
/// that was altered, made elsewhere, recorded on another connection, sent back or sent twice thus fails one comparison of the head,
/// before a byte of payload is read or a buffer is asked for. About a microsecond a frame, a few frames a megabyte; payloads are
/// hashed by XxHash128 at memory speed, half of that hash is under the seal. It guards against faults of machines; a network whose
/// attackers can rewrite packets needs encryption beneath.
/// Not thread-safe: one sender and one receiver.
/// </summary>
internal sealed class Session
{
    private readonly byte[] _sealing, _opening;
    private long _sealed, _opened;
    private volatile bool _corruptNext;

    /// <param name="secret">The run's secret.</param>
    /// <param name="nonces">The client's nonce, then the server's.</param>
    /// <param name="client">Which end this is.</param>
    public Session(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> nonces, bool client)
    {
        var toServer = HMACSHA256.HashData(secret, [3, .. nonces]);
        var toClient = HMACSHA256.HashData(secret, [4, .. nonces]);
        (_sealing, _opening) = client ? (toServer, toClient) : (toClient, toServer);
    }

    /// <summary>Writes the next frame's head.</summary>
    public void Seal(in Frame frame, Span<byte> head)
    {
        frame.Write(head, _sealed++);
        Hash(_sealing, head[..Frame.Unsealed], head[Frame.Unsealed..]);
        if (_corruptNext)
        {
            _corruptNext = false;
            head[Frame.Size / 2] ^= 1;
        }
    }

    /// <summary>Has the next frame that is sealed arrive with a wrong bit, for tests of what follows.</summary>
    public void CorruptNext() => _corruptNext = true;

    /// <summary>Reads the next frame's head; false, with the reason, if these bytes are not it.</summary>
    public bool TryOpen(ReadOnlySpan<byte> head, out Frame frame, out string? problem)
    {
        frame = default;
        if (!Frame.IsFrame(head, out problem))
            return false;
        Span<byte> seal = stackalloc byte[Frame.Seal];
        Hash(_opening, head[..Frame.Unsealed], seal);
        if (!CryptographicOperations.FixedTimeEquals(seal, head[Frame.Unsealed..]))
            problem = "A frame's seal is not of this connection.";
        else if (!Frame.TryRead(head, out frame, out var place))
            problem = $"A frame of kind {(int)frame.Kind} and {frame.Length} floats is out of range.";
        else if (place != _opened)
            problem = $"Frame {place} came where frame {_opened} is due.";
        else
            _opened++;
        return problem is null;
    }

    private static void Hash(byte[] key, ReadOnlySpan<byte> head, Span<byte> seal)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, head, hash);
        hash[..Frame.Seal].CopyTo(seal);
    }
}
