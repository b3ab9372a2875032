using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using Cluster.Collectives.Memory;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// The asker's end of one connection, opened at the first read, with a thread that receives. Requests are pipelined, answers come in
/// order. While any is outstanding the peer must send something - an answer, a piece of one, or the answer to a ping - within the limit; a peer that hangs
/// is found so although its kernel keeps the connection open. Whatever ends the connection ends every read, and only when nothing
/// writes to the readers' room any more.
/// Enters: requests. Leaves: parts, in the room or as views of the peer's segment. Does not know what they mean.
/// </summary>
internal sealed class PeerConnection : IAsyncDisposable
{
    /// <summary>Pings per limit.</summary>
    private const int Beats = 4;

    private readonly IPEndPoint _endPoint;
    private readonly ReadOnlyMemory<byte> _secret;
    private readonly Func<SegmentAddress?, SegmentReader?> _hello;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Queue<Pending> _pending = new();
    private readonly Stack<Pending> _idle = new();
    private readonly byte[] _head = new byte[Frame.Size];
    private readonly Action _hear;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITimer? _timer;
    private TimeSpan _limit = TimeSpan.FromSeconds(30);
    private Socket? _socket;
    private Session? _session;
    private SegmentReader? _segment;
    private bool _running;
    private Exception? _failure;
    private long _heard, _framesHeard, _request;

    /// <param name="endPoint">The peer's server.</param>
    /// <param name="secret">The run's secret.</param>
    /// <param name="hello">Told the peer's segment; gives the mapping to read in, or null.</param>
    /// <param name="time">Clock of the heartbeat.</param>
    public PeerConnection(IPEndPoint endPoint, ReadOnlyMemory<byte> secret, Func<SegmentAddress?, SegmentReader?> hello, TimeProvider time) =>
        (_endPoint, _secret, _hello, _time, _hear) = (endPoint, secret, hello, time, () => Volatile.Write(ref _heard, time.GetTimestamp()));

    /// <summary>How long the peer may be silent while something is asked of it.</summary>
    public TimeSpan AnswerLimit
    {
        get => _limit;
        set
        {
            lock (_gate)
            {
                if (value == _limit)
                    return;
                _limit = value;
                _timer?.Change(Beat, Beat);
            }
        }
    }

    /// <summary>Frames that the peer has sent and that were accepted.</summary>
    public long FramesHeard => Volatile.Read(ref _framesHeard);

    private TimeSpan Beat => _limit == Timeout.InfiniteTimeSpan ? _limit : _limit / Beats;

    /// <summary>Asks for a part.</summary>
    public ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation)
    {
        Pending pending;
        lock (_gate)
        {
            if (_failure is { } failure)
                return ValueTask.FromException<PartView>(Broken(failure));
            pending = _idle.TryPop(out var idle) ? idle : new Pending(this);
            pending.Begin(key, kind, slice, count, room);
            if (_pending.Count == 0)
                Volatile.Write(ref _heard, _time.GetTimestamp());
            _pending.Enqueue(pending);
            if (_session is not null)
                Request(pending);
            if (!_running)
                new Thread(Run) { IsBackground = true, Name = "exchange parts" }.Start();
            _running = true;
        }

        return pending.Wait(cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Fail(new ObjectDisposedException(nameof(PeerConnection)));
        if (_running)
            await _ended.Task.ConfigureAwait(false);
    }

    private IOException Broken(Exception failure) =>
        new(failure is TimeoutException ? failure.Message : $"the connection to {_endPoint} broke: {failure.Message}", failure);

    /// <summary>Ends the connection; reads end when nothing writes to their room any more.</summary>
    private void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            if (_socket is not null)
                StreamSocket.Wake(_socket);
        }
    }

    private void Run()
    {
        try
        {
            lock (_gate)
            {
                if (_failure is not null)
                    throw new IOException(_failure.Message, _failure);
                _timer = _time.CreateTimer(static connection => ((PeerConnection)connection!).OnBeat(), this, Beat, Beat);
                _socket = new Socket(_endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            }

            Connect(_socket);
            Receive(_socket);
        }
        catch (Exception error) when (error is IOException or InvalidDataException or SocketException or ObjectDisposedException)
        {
            Fail(error);
        }
        finally
        {
            lock (_gate)
            {
                _timer?.Dispose();
                _timer = null;
                _socket?.Dispose();
                _failure ??= new IOException("it ended");
                while (_pending.TryDequeue(out var pending))
                    pending.Fail(Broken(_failure));
            }

            _ended.SetResult();
        }
    }

    private void Connect(Socket socket)
    {
        socket.Connect(_endPoint);
        StreamSocket.Prepare(socket);
        var session = Handshake.Run(socket, _secret.Span, client: true);
        StreamSocket.ReceiveExactly(socket, _head);
        if (!session.TryOpen(_head, out var hello, out var problem))
            throw new InvalidDataException(problem);
        var address = new byte[Marshal.SizeOf<SegmentAddress>()];
        var bytes = hello.Length * (long)sizeof(float);
        if (hello.Kind != FrameKind.Hello || (bytes != 0 && bytes != address.Length))
            throw new InvalidDataException("The peer did not say whether it shares its memory.");
        StreamSocket.ReceiveExactly(socket, address.AsSpan(0, (int)bytes));
        if ((ulong)XxHash128.HashToUInt128(address.AsSpan(0, (int)bytes)) != hello.PayloadHash)
            throw new InvalidDataException("A payload fails its checksum.");
        var segment = _hello(bytes == 0 ? null : MemoryMarshal.Read<SegmentAddress>(address));
        lock (_gate)
        {
            (_session, _segment) = (session, segment);
            foreach (var pending in _pending)
                Request(pending);
        }
    }

    /// <summary>Sends a request, within the gate. A few small frames are outstanding at most: the socket's buffer takes them at once.</summary>
    private void Request(Pending pending)
    {
        pending.Request = ++_request;
        Send(new Frame(FrameKinds.RequestOf(pending.Kind, _segment is not null), pending.Key, pending.Request, pending.Slice,
            Travels(pending.Kind) ? pending.Room.Length : 0, 0));
    }

    private bool Travels(PartKind kind) => _segment is null || kind.AlwaysTravels();

    private void Send(Frame frame)
    {
        Span<byte> head = stackalloc byte[Frame.Size];
        _session!.Seal(frame, head);
        try
        {
            _socket!.Send(head);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            Fail(error);
        }
    }

    private void Receive(Socket socket)
    {
        while (true)
        {
            StreamSocket.ReceiveExactly(socket, _head, _hear);
            if (!_session!.TryOpen(_head, out var frame, out var problem))
                throw new InvalidDataException(problem);
            Interlocked.Increment(ref _framesHeard);
            if (frame.Kind == FrameKind.Pong)
                continue;
            Pending? pending;
            lock (_gate)
                _pending.TryPeek(out pending);
            if (pending is null || frame.Request != pending.Request || frame.Key != pending.Key || frame.Slice != pending.Slice)
                throw new InvalidDataException("The peer answered something that was not asked.");
            switch (frame.Kind)
            {
                case FrameKind.Stale:
                    Done()?.Fail(new StaleKeyException($"The peer is past {pending.Key}."));
                    break;
                case FrameKind.There when !Travels(pending.Kind):
                    TakeView(pending);
                    break;
                case FrameKind.Part when Travels(pending.Kind) && frame.Length == pending.Room.Length:
                    var payload = MemoryMarshal.AsBytes(pending.Room.Span);
                    StreamSocket.ReceiveExactly(socket, payload, _hear);
                    var hash = XxHash128.HashToUInt128(payload);
                    if ((ulong)hash != frame.PayloadHash)
                        throw new InvalidDataException("A payload fails its checksum.");
                    Done()?.End(new PartView(pending.Room, pending.Count) { Hash = pending.Count == 1 ? hash : null });
                    break;
                default:
                    throw new InvalidDataException($"The peer answered {frame.Length} floats of kind {frame.Kind} where {pending.Room.Length} were asked for.");
            }
        }
    }

    private void TakeView(Pending pending)
    {
        PartView? part;
        try
        {
            part = _segment!.TryRead(pending.Key, pending.Kind, pending.Slice);
        }
        catch (StaleKeyException stale)
        {
            Done()?.Fail(stale);
            return;
        }

        // Not there although it was said to be: its owner is about to go on.
        if (part is { } there)
            Done()?.End(there);
        else
            Done()?.Fail(new StaleKeyException($"The peer is past {pending.Key}."));
    }

    private Pending? Done()
    {
        lock (_gate)
            return _pending.TryDequeue(out var pending) ? pending : null;
    }

    private void OnBeat()
    {
        lock (_gate)
        {
            if (_pending.Count == 0 || _failure is not null || _limit == Timeout.InfiniteTimeSpan)
                return;
            if (_time.GetElapsedTime(Volatile.Read(ref _heard)) >= _limit)
                Fail(new TimeoutException($"no answer for {_limit.TotalMilliseconds:0} ms"));
            else if (_session is not null)
                Send(new Frame(FrameKind.Ping, default, 0, 0, 0, 0));
        }
    }

    /// <summary>One read's wait; used again and again, so that reading allocates nothing.</summary>
    private sealed class Pending(PeerConnection connection) : IValueTaskSource<PartView>
    {
        private ManualResetValueTaskSourceCore<PartView> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _registration;

        public ExchangeKey Key { get; private set; }

        public PartKind Kind { get; private set; }

        public int Slice { get; private set; }

        public int Count { get; private set; }

        public Memory<float> Room { get; private set; }

        public long Request { get; set; }

        public void Begin(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room) =>
            (Key, Kind, Slice, Count, Room) = (key, kind, slice, count, room);

        public ValueTask<PartView> Wait(CancellationToken cancellation)
        {
            // A reader that gives up must not get its room back while an answer may be written to it: the whole connection ends.
            _registration = cancellation.UnsafeRegister(
                static (connection, token) => ((PeerConnection)connection!).Fail(new OperationCanceledException(token)), connection);
            return new ValueTask<PartView>(this, _core.Version);
        }

        public void End(PartView part) => _core.SetResult(part);

        public void Fail(Exception error) => _core.SetException(error);

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
                Room = default;
                lock (connection._gate)
                    connection._idle.Push(this);
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
