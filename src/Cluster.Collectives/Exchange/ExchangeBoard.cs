using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// What one replica shows its peers for the reduction at hand: its tree nodes and the slices it has reduced. Reading waits until
/// the asked-for part is there (a peer may be ahead), and fails when the board has gone past the key. A part is copied under the
/// lock, so that no reader ever sees a buffer that its owner has begun to reuse.
/// Enters: published nodes and slices. Leaves: copies. Does not know sockets, members, or who asks.
/// </summary>
public sealed class ExchangeBoard
{
    private readonly Lock _gate = new();
    private readonly ulong _run;
    private TaskCompletionSource _changed = NewSignal();
    private ExchangeKey _key;
    private IReadOnlyList<ReadOnlyMemory<float>>? _nodes;
    private SlicePlan? _slices;
    private ReadOnlyMemory<float> _reduced;
    private bool[] _reducedReady = [];

    /// <param name="run">Hash of the run's identity.</param>
    public ExchangeBoard(ulong run)
    {
        _run = run;
        _key = new ExchangeKey(run, 0, 0, -1);
    }

    /// <summary>
    /// Moves on to a key and takes everything down that was published. To be called before published buffers change.
    /// </summary>
    public void Advance(ExchangeKey key)
    {
        lock (_gate)
        {
            if (key.Run != _run || key.CompareTo(_key) < 0)
                throw new StaleKeyException($"The board is at {_key} and cannot go back to {key}.");
            _key = key;
            _nodes = null;
            _reducedReady = [];
            Signal();
        }
    }

    /// <summary>Shows this replica's nodes, in lane order, for the key the board is at.</summary>
    public void PublishNodes(IReadOnlyList<ReadOnlyMemory<float>> nodes, SlicePlan slices)
    {
        lock (_gate)
        {
            _nodes = nodes;
            _slices = slices;
            Signal();
        }
    }

    /// <summary>Shows one reduced slice.</summary>
    public void PublishReduced(int slice, ReadOnlyMemory<float> reduced, SlicePlan slices)
    {
        lock (_gate)
        {
            if (_reducedReady.Length == 0)
                _reducedReady = new bool[slices.Count];
            _slices = slices;
            _reduced = reduced;
            _reducedReady[slice] = true;
            Signal();
        }
    }

    /// <summary>Copies a part as soon as it is there; returns the number of floats.</summary>
    /// <exception cref="StaleKeyException">The board is past the key, or serves another run.</exception>
    /// <exception cref="ArgumentException">The destination has not the part's length, or the slice does not exist.</exception>
    public async ValueTask ReadAsync(ExchangeKey key, PartKind kind, int slice, Memory<float> destination, CancellationToken cancellation)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (key.Run != _run || key.CompareTo(_key) < 0)
                    throw new StaleKeyException($"{key} of run {key.Run:x16} was asked for; the replica is at {_key} of run {_run:x16}.");
                if (key == _key && IsThere(kind, slice))
                {
                    Copy(kind, slice, destination.Span);
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    private bool IsThere(PartKind kind, int slice)
    {
        if (_slices is null)
            return false;
        if (slice < 0 || slice >= _slices.Count)
            throw new ArgumentException($"Slice {slice} was asked for; there are {_slices.Count}.", nameof(slice));
        return kind == PartKind.Nodes ? _nodes is not null : _reducedReady.Length > 0 && _reducedReady[slice];
    }

    private void Copy(PartKind kind, int slice, Span<float> destination)
    {
        var (start, length) = _slices![slice];
        var expected = kind == PartKind.Nodes ? _nodes!.Count * length : length;
        if (destination.Length != expected)
            throw new ArgumentException($"{destination.Length} floats were asked for; slice {slice} has {expected}.", nameof(destination));
        if (kind == PartKind.Reduced)
        {
            _reduced.Span.Slice(start, length).CopyTo(destination);
            return;
        }

        for (var i = 0; i < _nodes!.Count; i++)
            _nodes[i].Span.Slice(start, length).CopyTo(destination[(i * length)..]);
    }

    private void Signal()
    {
        var signal = _changed;
        _changed = NewSignal();
        signal.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
