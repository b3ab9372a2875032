using System.Net.Sockets;
using System.Security.Cryptography;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// Both ends prove that they know the run's secret before any frame is read: each sends a 32-byte nonce, then answers the other's
/// with HMAC-SHA256(secret, side ‖ own nonce ‖ other nonce). The side's byte keeps an answer from being reflected. Both nonces
/// go into the keys of the session that follows. Blocks; who loses patience closes the socket.
/// </summary>
internal static class Handshake
{
    private const int NonceSize = 32;

    /// <exception cref="IOException">The peer does not know the secret, or hung up.</exception>
    /// <exception cref="SocketException">The connection broke.</exception>
    public static Session Run(Socket socket, ReadOnlySpan<byte> secret, bool client)
    {
        byte[] own = RandomNumberGenerator.GetBytes(NonceSize), other = new byte[NonceSize], answer = new byte[HMACSHA256.HashSizeInBytes];
        socket.Send(own);
        StreamSocket.ReceiveExactly(socket, other);
        socket.Send(Answer(secret, client, own, other));
        StreamSocket.ReceiveExactly(socket, answer);
        if (!CryptographicOperations.FixedTimeEquals(answer, Answer(secret, !client, other, own)))
            throw new IOException("The peer does not know this run's secret.");
        return new Session(secret, client ? [.. own, .. other] : [.. other, .. own], client);
    }

    private static byte[] Answer(ReadOnlySpan<byte> secret, bool client, byte[] own, byte[] other) =>
        HMACSHA256.HashData(secret, [client ? (byte)1 : (byte)2, .. own, .. other]);
}
