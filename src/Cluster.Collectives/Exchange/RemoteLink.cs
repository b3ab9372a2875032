using System.Net;
using Cluster.Collectives.Memory;

namespace Cluster.Collectives.Exchange;

/// <summary>How parts of a peer in another process get here.</summary>
public enum Transport
{
    /// <summary>Not known before the first read.</summary>
    Unknown = 0,

    /// <summary>They are read in the peer's memory; the connection only says when.</summary>
    SharedMemory = 1,

    /// <summary>They travel over the connection.</summary>
    Tcp = 2,
}

/// <summary>
/// A peer in another process. A connection is opened at the first read; if the peer then names a segment that this process can map,
/// its parts are read there, and the connection is left with waiting, heartbeat and the end of the peer. Nodes and what follows from them
/// have connections of their own, because a reduced slice may have to wait for nodes that the same peer is still being asked for.
/// </summary>
public sealed class RemoteLink : IPeerLink
{
    private readonly PeerConnection _nodes, _reduced;
    private readonly bool _mayShare;
    private readonly Action<string>? _refused;
    private readonly Lock _gate = new();
    private SegmentReader? _segment;
    private int _transport;

    /// <param name="endPoint">The peer's server.</param>
    /// <param name="secret">The run's secret.</param>
    /// <param name="mayShare">Whether the peer's memory may be mapped.</param>
    /// <param name="refused">Told why memory is not shared although both sides would.</param>
    /// <param name="time">Clock of the heartbeat.</param>
    public RemoteLink(
        IPEndPoint endPoint, ReadOnlyMemory<byte> secret, bool mayShare = true, Action<string>? refused = null, TimeProvider? time = null)
    {
        (_mayShare, _refused) = (mayShare, refused);
        _nodes = new PeerConnection(endPoint, secret, Hello, time ?? TimeProvider.System);
        _reduced = new PeerConnection(endPoint, secret, Hello, time ?? TimeProvider.System);
    }

    /// <summary>How parts get here.</summary>
    public Transport Transport => (Transport)Volatile.Read(ref _transport);

    /// <summary>Frames that the peer has sent and that were accepted.</summary>
    internal long FramesHeard => _nodes.FramesHeard + _reduced.FramesHeard;

    /// <inheritdoc/>
    public bool Copies => Transport != Transport.SharedMemory;

    /// <summary>How long the peer may be silent while something is asked of it; 30 s at first.</summary>
    public TimeSpan AnswerLimit
    {
        get => _nodes.AnswerLimit;
        set => (_nodes.AnswerLimit, _reduced.AnswerLimit) = (value, value);
    }

    /// <inheritdoc/>
    public ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation)
    {
        try
        {
            if (!Copies && !kind.AlwaysTravels() && _segment!.TryRead(key, kind, slice) is { } part)
                return new ValueTask<PartView>(part);
        }
        catch (Exception error) when (error is StaleKeyException or InvalidDataException)
        {
            return ValueTask.FromException<PartView>(error);
        }

        return (kind.FollowsNodes() ? _reduced : _nodes).ReadAsync(key, kind, slice, count, room, cancellation);
    }

    /// <inheritdoc/>
    public bool IsCurrent(ExchangeKey key) => Copies || _segment!.IsCurrent(key);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _nodes.DisposeAsync().ConfigureAwait(false);
        await _reduced.DisposeAsync().ConfigureAwait(false);
        _segment?.Dispose();
    }

    /// <summary>Decides, once, by what the peer's first frame says.</summary>
    private SegmentReader? Hello(SegmentAddress? address)
    {
        lock (_gate)
        {
            if (Transport == Transport.Unknown)
            {
                if (address is { } named && _mayShare)
                {
                    _segment = SegmentReader.TryOpen(named, out var refusal);
                    if (refusal is not null)
                        _refused?.Invoke(refusal);
                }

                Volatile.Write(ref _transport, (int)(_segment is null ? Transport.Tcp : Transport.SharedMemory));
            }

            return _segment;
        }
    }
}
