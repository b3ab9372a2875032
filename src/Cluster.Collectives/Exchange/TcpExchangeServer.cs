using System.Net;
using System.Net.Sockets;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// Serves a board to peers on other processes. Requests of one connection are answered in order. A connection whose peer does not
/// know the secret, or sends anything but a well-formed frame of this run, is closed and counted.
/// </summary>
public sealed class TcpExchangeServer : IAsyncDisposable
{
    private static readonly TimeSpan s_handshakeLimit = TimeSpan.FromSeconds(10);
    private readonly ExchangeBoard _board;
    private readonly ReadOnlyMemory<byte> _secret;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _connections = [];
    private readonly HashSet<(Socket Socket, Session Session)> _sessions = [];
    private readonly Task _accepting;
    private long _refused;
    private int _disposed;

    /// <param name="board">What is served.</param>
    /// <param name="endPoint">Where to listen; port 0 takes a free one.</param>
    /// <param name="secret">The run's secret.</param>
    public TcpExchangeServer(ExchangeBoard board, IPEndPoint endPoint, ReadOnlyMemory<byte> secret)
    {
        _board = board;
        _secret = secret;
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(endPoint);
        _listener.Listen(128);
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Connections that were closed for what they sent.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Has something go wrong with every connection.</summary>
    public void Disturb(ConnectionFault fault)
    {
        lock (_gate)
        {
            foreach (var (socket, session) in _sessions)
            {
                if (fault == ConnectionFault.Close)
                    socket.Close();
                else
                    session.CorruptNext();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _closing.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        Task[] connections;
        lock (_gate)
            connections = [.. _connections];
        await Task.WhenAll(connections).ConfigureAwait(false);
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                if (_closing.IsCancellationRequested)
                    return;
                continue;
            }

            var connection = ServeAsync(socket);
            lock (_gate)
                _connections.Add(connection);
            _ = connection.ContinueWith(
                done =>
                {
                    lock (_gate)
                        _connections.Remove(done);
                },
                CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var closing = socket;
        socket.NoDelay = true;
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: false);
            Session session;
            using (var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token))
            {
                limit.CancelAfter(s_handshakeLimit);
                session = await Handshake.RunAsync(stream, _secret, client: false, limit.Token).ConfigureAwait(false);
            }

            lock (_gate)
                _sessions.Add((socket, session));
            try
            {
                await new ServedConnection(stream, session, _board).RunAsync(_closing.Token).ConfigureAwait(false);
            }
            finally
            {
                lock (_gate)
                    _sessions.Remove((socket, session));
            }
        }
        catch (Exception error) when (error is InvalidDataException or IOException or ObjectDisposedException)
        {
            Interlocked.Increment(ref _refused);
        }
        catch (OperationCanceledException)
        {
            // Closing, or a peer too slow to prove itself.
        }
    }
}
