namespace Cluster.Collectives.Exchange;

/// <summary>A way to read what one peer publishes. Several reads may be under way at once.</summary>
public interface IPeerLink : IAsyncDisposable
{
    /// <summary>Whether parts have to travel into the room: asking for them ahead of their use is worth while.</summary>
    bool Copies { get; }

    /// <summary>How long a peer that was asked may be silent before it is lost; may be changed at any time.</summary>
    TimeSpan AnswerLimit { get; set; }

    /// <summary>Waits until the peer has a part, then gives a view of it: where it lies if this process can see it, else in the room.</summary>
    /// <param name="key">The reduction.</param>
    /// <param name="kind">What of the slice.</param>
    /// <param name="slice">Which slice.</param>
    /// <param name="count">How many slices the part consists of: the peer's nodes, both moments, or one.</param>
    /// <param name="room">As long as the whole part; the reader's again when the read has ended, however it ends.</param>
    /// <param name="cancellation">Ends waiting; the link may be unusable afterwards.</param>
    /// <exception cref="StaleKeyException">The peer is past the key.</exception>
    /// <exception cref="IOException">The peer cannot be reached or broke the protocol.</exception>
    ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation);

    /// <summary>Whether everything read from views of this key before the call was what the peer published.</summary>
    bool IsCurrent(ExchangeKey key);
}

/// <summary>A peer in the same process: its memory, read in place.</summary>
public sealed class InProcessLink(ExchangeBoard board) : IPeerLink
{
    /// <inheritdoc/>
    public bool Copies => false;

    /// <summary>Of no use: who hangs in this process hangs with it.</summary>
    public TimeSpan AnswerLimit { get; set; } = Timeout.InfiniteTimeSpan;

    /// <inheritdoc/>
    public ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation) =>
        board.ReadAsync(key, kind, slice, cancellation);

    /// <inheritdoc/>
    public bool IsCurrent(ExchangeKey key) => board.IsCurrent(key);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
