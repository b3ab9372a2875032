using System.Net;
using System.Net.Sockets;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// Serves a board to peers on other processes, each connection by threads of its own (<see cref="StreamSocket"/> says why). Requests of
/// one connection are answered in order. A connection whose peer does not know the secret, or sends anything but a well-formed frame of
/// this run, is closed and counted; so many may be proving themselves at once, the others wait in the kernel.
/// </summary>
public sealed class TcpExchangeServer : IAsyncDisposable
{
    private const int MaxUnproven = 32;
    private static readonly TimeSpan s_handshakeLimit = TimeSpan.FromSeconds(10);
    private readonly ExchangeBoard _board;
    private readonly ReadOnlyMemory<byte> _secret;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _unproven = new(MaxUnproven);
    private readonly Dictionary<Socket, Connection> _connections = [];
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
            foreach (var (socket, connection) in _connections)
            {
                if (fault == ConnectionFault.Close)
                    StreamSocket.Wake(socket);
                else
                    connection.Session?.CorruptNext();
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
        Connection[] connections;
        lock (_gate)
        {
            connections = [.. _connections.Values];
            foreach (var socket in _connections.Keys)
                StreamSocket.Wake(socket);
        }

        await Task.WhenAll(connections.Select(connection => connection.Ended.Task)).ConfigureAwait(false);
        _unproven.Dispose();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                await _unproven.WaitAsync(_closing.Token).ConfigureAwait(false);
                socket = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                _unproven.Release();
                continue;
            }

            var connection = new Connection();
            lock (_gate)
                _connections.Add(socket, connection);
            new Thread(() => Serve(socket, connection)) { IsBackground = true, Name = "exchange requests" }.Start();
        }
    }

    private void Serve(Socket socket, Connection connection)
    {
        try
        {
            using var closing = socket;
            StreamSocket.Prepare(socket);
            Session session;
            try
            {
                using var limit = new Timer(static socket => StreamSocket.Wake((Socket)socket!), socket, s_handshakeLimit, Timeout.InfiniteTimeSpan);
                session = Handshake.Run(socket, _secret.Span, client: false);
            }
            finally
            {
                _unproven.Release();
            }

            lock (_gate)
                connection.Session = session;
            new ServedConnection(socket, session, _board).Run();
        }
        catch (Exception error) when (error is InvalidDataException or IOException or SocketException or ObjectDisposedException)
        {
            if (!_closing.IsCancellationRequested)
                Interlocked.Increment(ref _refused);
        }
        finally
        {
            lock (_gate)
                _connections.Remove(socket);
            connection.Ended.SetResult();
        }
    }

    private sealed class Connection
    {
        /// <summary>Once both ends have proved themselves; within the gate.</summary>
        public Session? Session { get; set; }

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
