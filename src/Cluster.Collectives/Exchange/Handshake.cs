using System.Security.Cryptography;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// Both ends prove that they know the run's secret before any frame is read: each sends a 32-byte nonce, then answers the other's
/// with HMAC-SHA256(secret, side ‖ own nonce ‖ other nonce). The side's byte keeps an answer from being reflected. Both nonces
/// go into the keys of the session that follows.
/// </summary>
internal static class Handshake
{
    private const int NonceSize = 32;

    /// <exception cref="IOException">The peer does not know the secret, or hung up.</exception>
    public static async Task<Session> RunAsync(Stream stream, ReadOnlyMemory<byte> secret, bool client, CancellationToken cancellation)
    {
        var own = RandomNumberGenerator.GetBytes(NonceSize);
        await stream.WriteAsync(own, cancellation).ConfigureAwait(false);
        var other = new byte[NonceSize];
        await stream.ReadExactlyAsync(other, cancellation).ConfigureAwait(false);
        await stream.WriteAsync(Answer(secret.Span, client, own, other), cancellation).ConfigureAwait(false);
        var answer = new byte[HMACSHA256.HashSizeInBytes];
        await stream.ReadExactlyAsync(answer, cancellation).ConfigureAwait(false);
        if (!CryptographicOperations.FixedTimeEquals(answer, Answer(secret.Span, !client, other, own)))
            throw new IOException("The peer does not know this run's secret.");
        return new Session(secret.Span, client ? [.. own, .. other] : [.. other, .. own], client);
    }

    private static byte[] Answer(ReadOnlySpan<byte> secret, bool client, byte[] own, byte[] other) =>
        HMACSHA256.HashData(secret, [client ? (byte)1 : (byte)2, .. own, .. other]);
}
