using System.Buffers;
using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

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
            using (var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token))
            {
                limit.CancelAfter(s_handshakeLimit);
                await Handshake.RunAsync(stream, _secret, client: false, limit.Token).ConfigureAwait(false);
            }

            var head = new byte[Frame.Size];
            while (await stream.ReadAtLeastAsync(head, 1, throwOnEndOfStream: false, _closing.Token).ConfigureAwait(false) is var got and > 0)
            {
                await stream.ReadExactlyAsync(head.AsMemory(got), _closing.Token).ConfigureAwait(false);
                await AnswerAsync(stream, Frame.Read(head), head).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is InvalidDataException or ArgumentException or IOException)
        {
            Interlocked.Increment(ref _refused);
        }
        catch (OperationCanceledException)
        {
            // Closing, or a peer too slow to prove itself.
        }
    }

    private async Task AnswerAsync(Stream stream, Frame request, byte[] head)
    {
        if (request.Kind is not (FrameKind.ReadNodes or FrameKind.ReadReduced))
            throw new InvalidDataException($"A frame of kind {request.Kind} is no request.");
        var bytes = request.Length * sizeof(float);
        var payload = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            var floats = new FloatMemory(payload, request.Length);
            var kind = FrameKind.Part;
            try
            {
                var part = await _board.ReadAsync(request.Key, (PartKind)request.Kind, request.Slice, _closing.Token).ConfigureAwait(false);
                if (request.Length != part.Count * part.Length)
                    throw new InvalidDataException($"{request.Length} floats were asked for; the part has {part.Count * part.Length}.");
                for (var i = 0; i < part.Count; i++)
                    part[i].CopyTo(floats.Memory[(i * part.Length)..]);
                if (!_board.IsCurrent(request.Key))
                    throw new StaleKeyException($"The board has gone past {request.Key}.");
            }
            catch (StaleKeyException)
            {
                (kind, bytes) = (FrameKind.Stale, 0);
            }

            var answer = request with { Kind = kind, Length = bytes / sizeof(float), PayloadHash = XxHash3.HashToUInt64(payload.AsSpan(0, bytes)) };
            answer.Write(head);
            await stream.WriteAsync(head, _closing.Token).ConfigureAwait(false);
            await stream.WriteAsync(payload.AsMemory(0, bytes), _closing.Token).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(payload);
        }
    }

    /// <summary>A byte array seen as floats.</summary>
    private sealed class FloatMemory(byte[] array, int length) : MemoryManager<float>
    {
        public override Span<float> GetSpan() => MemoryMarshal.Cast<byte, float>(array.AsSpan(0, length * sizeof(float)));

        public override MemoryHandle Pin(int elementIndex = 0) => throw new InvalidOperationException("A pooled payload is not pinned.");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
