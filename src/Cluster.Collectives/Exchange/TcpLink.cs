using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// A connection to one peer's server, opened at the first read. Nodes and reduced slices go over connections of their own, because
/// a reduced slice may have to wait for nodes that the same peer is still being asked for. Requests are pipelined; answers come in order.
/// </summary>
public sealed class TcpLink : IPeerLink
{
    private readonly Channel _nodes, _reduced;

    /// <param name="endPoint">The peer's server.</param>
    /// <param name="secret">The run's secret.</param>
    public TcpLink(IPEndPoint endPoint, ReadOnlyMemory<byte> secret)
    {
        _nodes = new Channel(endPoint, secret);
        _reduced = new Channel(endPoint, secret);
    }

    /// <inheritdoc/>
    public async ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation)
    {
        await (kind == PartKind.Nodes ? _nodes : _reduced).ReadAsync(key, kind, slice, room, cancellation).ConfigureAwait(false);
        return new PartView(room, count);
    }

    /// <inheritdoc/>
    public bool IsCurrent(ExchangeKey key) => true;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _nodes.DisposeAsync().ConfigureAwait(false);
        await _reduced.DisposeAsync().ConfigureAwait(false);
    }

    private sealed class Channel(IPEndPoint endPoint, ReadOnlyMemory<byte> secret) : IAsyncDisposable
    {
        private readonly SemaphoreSlim _sending = new(1);
        private readonly ConcurrentQueue<Pending> _pending = new();
        private readonly CancellationTokenSource _closing = new();
        private readonly byte[] _head = new byte[Frame.Size];
        private NetworkStream? _stream;
        private Task _receiving = Task.CompletedTask;
        private Exception? _failure;
        private long _request;

        public async Task ReadAsync(ExchangeKey key, PartKind kind, int slice, Memory<float> destination, CancellationToken cancellation)
        {
            var pending = new Pending(key, slice, destination);
            await _sending.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                if (_failure is { } failure)
                    throw new IOException(failure.Message, failure);
                _stream ??= await ConnectAsync(cancellation).ConfigureAwait(false);
                pending.Request = ++_request;
                new Frame((FrameKind)kind, key, pending.Request, slice, destination.Length, 0).Write(_head);
                _pending.Enqueue(pending);
                await _stream.WriteAsync(_head, _closing.Token).ConfigureAwait(false);
                if (_receiving.IsCompleted)
                    _receiving = ReceiveAsync();
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // A stream that the receiving side has closed meanwhile says "disposed": to the caller it is a broken connection.
                throw new IOException(error.Message, error);
            }
            finally
            {
                _sending.Release();
            }

            // A reader that gives up while an answer may still be written into its memory must not get it back before the
            // connection is closed: cancelling ends the whole channel.
            using var registration = cancellation.Register(() => _stream?.Dispose());
            await pending.Done.Task.ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            await _closing.CancelAsync().ConfigureAwait(false);
            if (_stream is { } stream)
                await stream.DisposeAsync().ConfigureAwait(false);
            await _receiving.ConfigureAwait(false);
            _closing.Dispose();
            _sending.Dispose();
        }

        private async Task<NetworkStream> ConnectAsync(CancellationToken cancellation)
        {
            var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(endPoint, cancellation).ConfigureAwait(false);
                var stream = new NetworkStream(socket, ownsSocket: true);
                await Handshake.RunAsync(stream, secret, client: true, cancellation).ConfigureAwait(false);
                return stream;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        /// <summary>Answers pending reads in order until the connection ends; then fails those that are left.</summary>
        private async Task ReceiveAsync()
        {
            var head = new byte[Frame.Size];
            try
            {
                while (true)
                {
                    await _stream!.ReadExactlyAsync(head, _closing.Token).ConfigureAwait(false);
                    var frame = Frame.Read(head);
                    if (!_pending.TryPeek(out var pending) || frame.Request != pending.Request || frame.Key != pending.Key || frame.Slice != pending.Slice)
                        throw new InvalidDataException("The peer answered something that was not asked.");
                    if (frame.Kind == FrameKind.Stale)
                    {
                        _pending.TryDequeue(out _);
                        pending.Done.TrySetException(new StaleKeyException($"The peer is past {pending.Key}."));
                        continue;
                    }

                    if (frame.Kind != FrameKind.Part || frame.Length != pending.Destination.Length)
                        throw new InvalidDataException($"The peer answered {frame.Length} floats of kind {frame.Kind} where {pending.Destination.Length} were asked for.");
                    using (var bytes = new ByteMemory(pending.Destination))
                    {
                        await _stream.ReadExactlyAsync(bytes.Memory, _closing.Token).ConfigureAwait(false);
                        if (XxHash3.HashToUInt64(bytes.GetSpan()) != frame.PayloadHash)
                            throw new InvalidDataException("A payload fails its checksum.");
                    }

                    _pending.TryDequeue(out _);
                    pending.Done.TrySetResult();
                }
            }
            catch (Exception error) when (error is IOException or InvalidDataException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                await _sending.WaitAsync().ConfigureAwait(false);
                _failure = error;
                await _stream!.DisposeAsync().ConfigureAwait(false);
                while (_pending.TryDequeue(out var pending))
                    pending.Done.TrySetException(new IOException($"The connection to {endPoint} broke: {error.Message}", error));
                _sending.Release();
            }
        }
    }

    private sealed class Pending(ExchangeKey key, int slice, Memory<float> destination)
    {
        public ExchangeKey Key => key;

        public int Slice => slice;

        public Memory<float> Destination => destination;

        public long Request { get; set; }

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Floats seen as bytes, so that a payload lands where it is used.</summary>
    private sealed unsafe class ByteMemory(Memory<float> floats) : MemoryManager<byte>
    {
        private MemoryHandle _handle;

        public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(floats.Span);

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            _handle = floats.Pin();
            return new MemoryHandle((byte*)_handle.Pointer + elementIndex, default, this);
        }

        public override void Unpin() => _handle.Dispose();

        protected override void Dispose(bool disposing)
        {
        }
    }
}
