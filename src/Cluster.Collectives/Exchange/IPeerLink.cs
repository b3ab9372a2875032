namespace Cluster.Collectives.Exchange;

/// <summary>A way to read what one peer publishes. Several reads may be under way at once.</summary>
public interface IPeerLink : IAsyncDisposable
{
    /// <summary>Fills the destination with a part, waiting until the peer has it.</summary>
    /// <exception cref="StaleKeyException">The peer is past the key.</exception>
    /// <exception cref="IOException">The peer cannot be reached or broke the protocol.</exception>
    ValueTask ReadAsync(ExchangeKey key, PartKind kind, int slice, Memory<float> destination, CancellationToken cancellation);
}

/// <summary>A peer in the same process: memory copies.</summary>
public sealed class InProcessLink(ExchangeBoard board) : IPeerLink
{
    /// <inheritdoc/>
    public ValueTask ReadAsync(ExchangeKey key, PartKind kind, int slice, Memory<float> destination, CancellationToken cancellation) =>
        board.ReadAsync(key, kind, slice, destination, cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
