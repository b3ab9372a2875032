using System.Numerics;
using System.Threading.Tasks.Sources;
using Cluster.Collectives.Memory;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// What one replica shows its peers for the reduction at hand: its tree nodes and the slices it has reduced. Reading waits until
/// the asked-for part is there (a peer may be ahead), and fails when the board has gone past the key. Readers get views of the
/// owner's memory; the key is the sequence number of a seqlock: the owner advances it before it reuses a buffer, the reader asks
/// after reading whether it still stands.
/// Enters: published nodes and slices. Leaves: views. Does not know sockets, members, or who asks.
/// </summary>
public sealed class ExchangeBoard
{
    private readonly Lock _gate = new();
    private readonly ulong _run;
    private readonly bool _shared;
    private readonly List<Waiter> _waiting = [];
    private readonly Stack<Waiter> _idle = new();
    private ExchangeKey _key;
    private ReadOnlyMemory<float>[]? _nodes;
    private SlicePlan? _slices;
    private ReadOnlyMemory<float>[]? _moments;
    private ReadOnlyMemory<float>? _sums, _holdings;
    private Shown _reduced = new(), _updated = new();
    private SharedSegment? _segment;

    /// <param name="run">Hash of the run's identity.</param>
    /// <param name="shared">Whether other processes of this host may read the owner's memory, where the system lets them.</param>
    public ExchangeBoard(ulong run, bool shared = false)
    {
        (_run, _shared) = (run, shared);
        _key = new ExchangeKey(run, 0, 0, -1);
    }

    /// <summary>Why the owner's memory cannot be shared although it was to be; null if it can.</summary>
    public string? SharingRefused { get; private set; }

    /// <summary>The segment that peers on this host may map, once there is one.</summary>
    internal SegmentAddress? Segment
    {
        get
        {
            lock (_gate)
                return _segment?.Address;
        }
    }

    /// <summary>Where the owner's nodes and reduced gradient are to lie. To be asked once, before anything is published.</summary>
    /// <param name="slices">The cut of the gradient.</param>
    /// <param name="lanes">Lanes of the run.</param>
    public IBufferSource CreateBuffers(SlicePlan slices, int lanes)
    {
        if (!_shared)
            return new PrivateBuffers(slices.Length);
        // The nodes of a range, lanes being computed and the reduced gradient, with room to spare: what is not used takes no memory.
        var segment = SharedSegment.TryCreate(slices, 4 * BitOperations.Log2((uint)lanes) + 8, out var refusal);
        SharingRefused = refusal;
        if (segment is null)
            return new PrivateBuffers(slices.Length);
        lock (_gate)
        {
            _segment = segment;
            segment.Advance(_key);
        }

        return segment;
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
            (_nodes, _moments, _sums, _holdings) = (null, null, null, null);
            _reduced.Clear();
            _updated.Clear();
            _segment?.Advance(key);
            Wake();
        }

        // No write to a buffer that was published before may be seen before the key is.
        Interlocked.MemoryBarrier();
    }

    /// <summary>Takes everything down that was published, and stays at the key.</summary>
    public void Withdraw()
    {
        lock (_gate)
            Advance(_key);
    }

    /// <summary>Shows this replica's nodes, in lane order, for the key the board is at.</summary>
    /// <param name="nodes">The whole nodes; the array is the board's from now on.</param>
    /// <param name="slices">How readers cut them.</param>
    public void PublishNodes(ReadOnlyMemory<float>[] nodes, SlicePlan slices)
    {
        lock (_gate)
        {
            Cut(slices);
            _nodes = nodes;
            _segment?.ShowNodes(nodes);
            Wake();
        }
    }

    /// <summary>Shows one reduced slice.</summary>
    /// <param name="slice">Which.</param>
    /// <param name="hash">The slice's, as <see cref="GradientHash.OfSlice"/> gives it.</param>
    /// <param name="reduced">The whole gradient.</param>
    /// <param name="slices">How readers cut it.</param>
    public void PublishReduced(int slice, UInt128 hash, ReadOnlyMemory<float> reduced, SlicePlan slices)
    {
        lock (_gate)
        {
            Cut(slices);
            _reduced.Show(slice, hash, reduced);
            _segment?.ShowReduced(slice, reduced);
            Wake();
        }
    }

    /// <summary>Shows one slice of the parameters after the step.</summary>
    /// <param name="slice">Which.</param>
    /// <param name="hash">The slice's.</param>
    /// <param name="updated">The whole vector, of which the own slices are there.</param>
    /// <param name="slices">How readers cut it.</param>
    public void PublishUpdated(int slice, UInt128 hash, ReadOnlyMemory<float> updated, SlicePlan slices)
    {
        lock (_gate)
        {
            Cut(slices);
            _updated.Show(slice, hash, updated);
            _segment?.ShowUpdated(slice, updated);
            Wake();
        }
    }

    /// <summary>Shows what is told of the own sums, or of the moments that are held.</summary>
    /// <param name="kind"><see cref="PartKind.Sums"/> or <see cref="PartKind.Holdings"/>.</param>
    /// <param name="notes">The board's from now on.</param>
    /// <param name="slices">How readers cut vectors.</param>
    public void PublishNotes(PartKind kind, ReadOnlyMemory<float> notes, SlicePlan slices)
    {
        lock (_gate)
        {
            Cut(slices);
            if (kind == PartKind.Sums)
                _sums = notes;
            else
                _holdings = notes;
            Wake();
        }
    }

    /// <summary>Shows both moments; readers take only slices that the owner says it holds.</summary>
    /// <param name="moments">The whole vectors; the array is the board's from now on.</param>
    /// <param name="slices">How readers cut them.</param>
    public void PublishMoments(ReadOnlyMemory<float>[] moments, SlicePlan slices)
    {
        lock (_gate)
        {
            Cut(slices);
            _moments = moments;
            Wake();
        }
    }

    /// <summary>A part as soon as it is there.</summary>
    /// <exception cref="StaleKeyException">The board is past the key, or serves another run.</exception>
    /// <exception cref="ArgumentException">The slice does not exist.</exception>
    public ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, CancellationToken cancellation)
    {
        try
        {
            return Find(key, kind, slice, blocking: false, out var part) is { } waiter ? waiter.WaitAsync(cancellation) : new ValueTask<PartView>(part);
        }
        catch (Exception error) when (error is StaleKeyException or ArgumentException)
        {
            return ValueTask.FromException<PartView>(error);
        }
    }

    /// <summary>A part as soon as it is there; the calling thread sleeps until then.</summary>
    /// <exception cref="StaleKeyException">The board is past the key, or serves another run.</exception>
    /// <exception cref="ArgumentException">The slice does not exist.</exception>
    /// <exception cref="OperationCanceledException">The wait was given up.</exception>
    internal PartView Read(ExchangeKey key, PartKind kind, int slice, CancellationToken cancellation) =>
        Find(key, kind, slice, blocking: true, out var part) is { } waiter ? waiter.Wait(cancellation) : part;

    /// <summary>Whether the board has stood at this key since the reader got views of it.</summary>
    public bool IsCurrent(ExchangeKey key)
    {
        // No read of a published buffer may happen after the key is looked at.
        Interlocked.MemoryBarrier();
        lock (_gate)
            return key == _key;
    }

    /// <summary>The part if it is there, else who waits for it.</summary>
    private Waiter? Find(ExchangeKey key, PartKind kind, int slice, bool blocking, out PartView part)
    {
        lock (_gate)
        {
            var found = TryRead(key, kind, slice);
            part = found.GetValueOrDefault();
            if (found is not null)
                return null;
            var waiter = _idle.TryPop(out var idle) ? idle : new Waiter(this);
            waiter.Begin(key, kind, slice, blocking);
            _waiting.Add(waiter);
            return waiter;
        }
    }

    /// <summary>The part if it is there, null if it is to be waited for.</summary>
    private PartView? TryRead(ExchangeKey key, PartKind kind, int slice)
    {
        if (key.Run != _run || key.CompareTo(_key) < 0)
            throw new StaleKeyException($"{key} of run {key.Run:x16} was asked for; the replica is at {_key} of run {_run:x16}.");
        if (key != _key || _slices is null)
            return null;
        if (slice < 0 || slice >= _slices.Count)
            throw new ArgumentException($"Slice {slice} was asked for; there are {_slices.Count}.", nameof(slice));
        var (start, length) = _slices[slice];
        return kind switch
        {
            PartKind.Nodes => _nodes is null ? null : new PartView(_nodes, start, length),
            PartKind.Moments => _moments is null ? null : new PartView(_moments, start, length),
            PartKind.Reduced => _reduced.At(slice, start, length),
            PartKind.Updated => _updated.At(slice, start, length),
            PartKind.Sums => _sums is { } sums ? new PartView(sums, 1) : null,
            _ => _holdings is { } holdings ? new PartView(holdings, 1) : null,
        };
    }

    private void Cut(SlicePlan slices)
    {
        if (_slices == slices)
            return;
        _slices = slices;
        _reduced = new Shown(slices.Count);
        _updated = new Shown(slices.Count);
    }

    /// <summary>Ends every wait that can end; within the gate. Continuations run elsewhere.</summary>
    private void Wake()
    {
        for (var i = _waiting.Count - 1; i >= 0; i--)
        {
            if (_waiting[i].TryEnd())
                _waiting.RemoveAt(i);
        }
    }

    /// <summary>A vector whose slices are shown one by one.</summary>
    private sealed class Shown(int slices = 0)
    {
        private readonly UInt128?[] _hashes = new UInt128?[slices];
        private ReadOnlyMemory<float>[] _whole = [];

        public void Show(int slice, UInt128 hash, ReadOnlyMemory<float> whole)
        {
            if (_whole.Length == 0 || !_whole[0].Equals(whole))
                _whole = [whole];
            _hashes[slice] = hash;
        }

        public PartView? At(int slice, int start, int length) => _hashes[slice] is { } hash ? new PartView(_whole, start, length) { Hash = hash } : null;

        public void Clear() => _hashes.AsSpan().Clear();
    }

    /// <summary>One reader's wait; used again and again, so that waiting allocates nothing.</summary>
    private sealed class Waiter : IValueTaskSource<PartView>
    {
        private readonly ExchangeBoard _board;
        private ManualResetValueTaskSourceCore<PartView> _core;
        private ManualResetEventSlim? _over;
        private CancellationTokenRegistration _registration;
        private ExchangeKey _key;
        private PartKind _kind;
        private int _slice;

        public Waiter(ExchangeBoard board) => _board = board;

        public void Begin(ExchangeKey key, PartKind kind, int slice, bool blocking)
        {
            (_key, _kind, _slice) = (key, kind, slice);
            // Of a blocked thread nothing runs within the gate but the call that wakes it.
            _core.RunContinuationsAsynchronously = !blocking;
        }

        /// <summary>Sleeps until the wait has ended.</summary>
        public PartView Wait(CancellationToken cancellation)
        {
            _over ??= new ManualResetEventSlim(false, spinCount: 0);
            var version = _core.Version;
            _ = WaitAsync(cancellation);
            _core.OnCompleted(static over => ((ManualResetEventSlim)over!).Set(), _over, version, ValueTaskSourceOnCompletedFlags.None);
            _over.Wait(CancellationToken.None);
            _over.Reset();
            return GetResult(version);
        }

        public ValueTask<PartView> WaitAsync(CancellationToken cancellation)
        {
            _registration = cancellation.UnsafeRegister(static (waiter, token) => ((Waiter)waiter!).Cancel(token), this);
            return new ValueTask<PartView>(this, _core.Version);
        }

        public bool TryEnd()
        {
            try
            {
                if (_board.TryRead(_key, _kind, _slice) is not { } part)
                    return false;
                _core.SetResult(part);
            }
            catch (Exception error) when (error is StaleKeyException or ArgumentException)
            {
                _core.SetException(error);
            }

            return true;
        }

        public PartView GetResult(short token)
        {
            _registration.Dispose();
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                _core.Reset();
                lock (_board._gate)
                    _board._idle.Push(this);
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);

        private void Cancel(CancellationToken token)
        {
            lock (_board._gate)
            {
                if (!_board._waiting.Remove(this))
                    return;
            }

            _core.SetException(new OperationCanceledException(token));
        }
    }
}
