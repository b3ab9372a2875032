using System.Net;
using System.Net.Sockets;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

public class HeartbeatTests
{
    private static readonly ExchangeKey s_key = new(1, 1, 1, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ReduceAsync_PeerHangs_LostWithTheLimitNamed(bool afterHandshake)
    {
        using var peer = new SilentPeer();
        var time = new SteppedTime();
        await using var link = new RemoteLink(peer.EndPoint, Secret, time: time) { AnswerLimit = TimeSpan.FromMilliseconds(800) };
        var assignment = Parse("4 4");
        var board = new ExchangeBoard(1);
        board.Advance(s_key);
        var reducing = new GradientExchange(board, new SlicePlan(Length, 4_096))
            .ReduceAsync(s_key, assignment, 0, [null, link], Store(assignment, 0), new float[Length], CancellationToken.None);
        await peer.AcceptAsync(afterHandshake);
        await time.TimerMade;
        for (var passed = 0; passed < 800; passed += 200)
        {
            Assert.False(reducing.IsCompleted);
            time.Advance(TimeSpan.FromMilliseconds(200));
        }

        var lost = await Assert.ThrowsAsync<PeerLostException>(() => reducing);
        Assert.Equal((1, "Member 1 is lost: no answer for 800 ms"), (lost.Member, lost.Message));
    }

    [Theory]
    [InlineData(ConnectionFault.Close)]
    [InlineData(ConnectionFault.CorruptFrame)]
    public async Task Disturb_OpenConnection_ItsNextReadFailsAndAnotherLinkReads(ConnectionFault fault)
    {
        var board = new ExchangeBoard(1);
        board.Advance(s_key);
        board.PublishReduced(0, GradientHash.OfSlice(new float[16]), new float[16], new SlicePlan(16));
        await using var server = new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret);
        await using var link = new RemoteLink(server.EndPoint, Secret);
        await link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);

        server.Disturb(fault);

        await Assert.ThrowsAsync<IOException>(async () => await link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None));
        await using var other = new RemoteLink(server.EndPoint, Secret);
        await other.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
    }

    [Fact]
    public async Task ReadAsync_PartIsNotThereForLong_PingsKeepThePeerAlive()
    {
        var board = new ExchangeBoard(1);
        board.Advance(s_key);
        await using var server = new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret);
        var time = new SteppedTime();
        await using var link = new RemoteLink(server.EndPoint, Secret, time: time) { AnswerLimit = TimeSpan.FromMilliseconds(400) };
        var first = link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
        var slices = new SlicePlan(16);
        board.PublishReduced(0, GradientHash.OfSlice(new float[16]), new float[16], slices);
        await first;
        board.Advance(s_key with { Step = 1 });
        var second = link.ReadAsync(s_key with { Step = 1 }, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
        for (var beat = 0; beat < 20; beat++)
        {
            // Two seconds in all: five limits. Each ping is answered before the clock goes on.
            var heard = link.FramesHeard;
            time.Advance(TimeSpan.FromMilliseconds(100));
            await UntilAsync(() => link.FramesHeard > heard);
        }

        Assert.False(second.IsCompleted);
        board.PublishReduced(0, GradientHash.OfSlice(new float[16]), new float[16], slices);
        await second;
    }

    [Fact]
    public async Task AnswerLimit_NothingAsked_SilenceIsNoLoss()
    {
        var board = new ExchangeBoard(1);
        board.Advance(s_key);
        board.PublishReduced(0, GradientHash.OfSlice(new float[16]), new float[16], new SlicePlan(16));
        await using var server = new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret);
        var time = new SteppedTime();
        await using var link = new RemoteLink(server.EndPoint, Secret, time: time) { AnswerLimit = TimeSpan.FromMilliseconds(400) };
        await link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
        for (var beat = 0; beat < 50; beat++)
            time.Advance(TimeSpan.FromMilliseconds(100));
        await link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>Takes a connection, proves itself if asked to, and never says anything again.</summary>
    private sealed class SilentPeer : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private Socket? _connection;

        public SilentPeer()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen(4);
        }

        public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

        public async Task AcceptAsync(bool handshake)
        {
            _connection = await _listener.AcceptAsync();
            if (handshake)
                Handshake.Run(_connection, Secret, client: false);
        }

        public void Dispose()
        {
            _connection?.Dispose();
            _listener.Dispose();
        }
    }

    /// <summary>A clock that goes on when told to, and calls timers in passing.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private readonly Lock _gate = new();
        private readonly List<Timer> _timers = [];
        private readonly TaskCompletionSource _made = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _now;

        public Task TimerMade => _made.Task;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _now);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Timer(this, callback, state, period);
            lock (_gate)
                _timers.Add(timer);
            _made.TrySetResult();
            return timer;
        }

        public void Advance(TimeSpan by)
        {
            Interlocked.Add(ref _now, by.Ticks);
            Timer[] timers;
            lock (_gate)
                timers = [.. _timers];
            foreach (var timer in timers)
                timer.Pass(by);
        }

        private sealed class Timer(SteppedTime time, TimerCallback callback, object? state, TimeSpan period) : ITimer
        {
            private TimeSpan _period = period, _passed;

            public void Pass(TimeSpan by)
            {
                for (_passed += by; _period > TimeSpan.Zero && _passed >= _period; _passed -= _period)
                    callback(state);
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                (_period, _passed) = (period, default);
                return true;
            }

            public void Dispose()
            {
                lock (time._gate)
                    time._timers.Remove(this);
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
