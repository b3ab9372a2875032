using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Cluster.Collectives.Memory;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// The server's end of one connection. Requests are answered in order; pings at once, even while a request waits for its part. Nothing
/// is reserved for a request: parts are sent from where they lie, and a length other than the part's own ends the connection.
/// Enters: a stream after its handshake, the board. Leaves: answers. Does not know listening or secrets.
/// </summary>
internal sealed class ServedConnection(Stream stream, Session session, ExchangeBoard board)
{
    /// <summary>Requests of one connection that may wait at once; a peer that keeps to the protocol asks for a few slices ahead.</summary>
    private const int MaxWaiting = 64;

    private readonly Channel<Frame> _requests = Channel.CreateBounded<Frame>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, SingleWriter = true });

    private readonly SemaphoreSlim _sending = new(1);
    private readonly XxHash3 _hash = new(session.PayloadSeed);
    private readonly FloatBytes _bytes = new();
    private readonly byte[] _answer = new byte[Frame.Size];

    /// <summary>Serves until the peer hangs up.</summary>
    /// <exception cref="InvalidDataException">The peer broke the protocol.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await HelloAsync(ending.Token).ConfigureAwait(false);
        var answering = AnswerAsync(ending);
        try
        {
            await ReceiveAsync(ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Answering failed and says why.
        }
        finally
        {
            _requests.Writer.Complete();
            await ending.CancelAsync().ConfigureAwait(false);
            await answering.ConfigureAwait(false);
        }
    }

    private async Task HelloAsync(CancellationToken cancellation)
    {
        var address = board.Segment is { } segment ? MemoryMarshal.AsBytes([segment]).ToArray() : [];
        var hello = new Frame(FrameKind.Hello, default, 0, 0, address.Length / sizeof(float), XxHash3.HashToUInt64(address, session.PayloadSeed));
        session.Seal(hello, _answer);
        await stream.WriteAsync(_answer, cancellation).ConfigureAwait(false);
        await stream.WriteAsync(address, cancellation).ConfigureAwait(false);
    }

    private async Task ReceiveAsync(CancellationToken cancellation)
    {
        var head = new byte[Frame.Size];
        while (await stream.ReadAtLeastAsync(head, 1, throwOnEndOfStream: false, cancellation).ConfigureAwait(false) is var got and > 0)
        {
            if (got < head.Length)
                await stream.ReadExactlyAsync(head.AsMemory(got), cancellation).ConfigureAwait(false);
            if (!session.TryOpen(head, out var frame, out var problem))
                throw new InvalidDataException(problem);
            if (frame.Kind == FrameKind.Ping)
                await SendAsync(frame with { Kind = FrameKind.Pong, Length = 0 }, cancellation).ConfigureAwait(false);
            else if (frame.Kind is not (FrameKind.ReadNodes or FrameKind.ReadReduced or FrameKind.AwaitNodes or FrameKind.AwaitReduced))
                throw new InvalidDataException($"A frame of kind {frame.Kind} is no request.");
            else if (!_requests.Writer.TryWrite(frame))
                throw new InvalidDataException($"More than {MaxWaiting} requests wait.");
        }
    }

    private async Task AnswerAsync(CancellationTokenSource ending)
    {
        try
        {
            await foreach (var request in _requests.Reader.ReadAllAsync(ending.Token).ConfigureAwait(false))
                await AnswerAsync(request, ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The connection is over.
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask AnswerAsync(Frame request, CancellationToken cancellation)
    {
        PartView part;
        try
        {
            var kind = request.Kind is FrameKind.ReadNodes or FrameKind.AwaitNodes ? PartKind.Nodes : PartKind.Reduced;
            part = await board.ReadAsync(request.Key, kind, request.Slice, cancellation).ConfigureAwait(false);
        }
        catch (StaleKeyException)
        {
            await SendAsync(request with { Kind = FrameKind.Stale, Length = 0 }, cancellation).ConfigureAwait(false);
            return;
        }
        catch (ArgumentException error)
        {
            throw new InvalidDataException(error.Message, error);
        }

        if (request.Kind is FrameKind.AwaitNodes or FrameKind.AwaitReduced)
        {
            await SendAsync(request with { Kind = FrameKind.There, Length = 0 }, cancellation).ConfigureAwait(false);
            return;
        }

        if (request.Length != part.Count * part.Length)
            throw new InvalidDataException($"{request.Length} floats were asked for; the part has {part.Count * part.Length}.");
        for (var i = 0; i < part.Count; i++)
            _hash.Append(_bytes.Of(part[i]).Span);
        var hash = _hash.GetCurrentHashAsUInt64();
        _hash.Reset();
        // The hash is of what was published only if the board still stands here. An owner that goes on later, while bytes are under
        // way, may change them: the hash does not fit then, and the asker, who is of an older generation, gives the connection up.
        if (board.IsCurrent(request.Key))
            await SendAsync(request with { Kind = FrameKind.Part, PayloadHash = hash }, part, cancellation).ConfigureAwait(false);
        else
            await SendAsync(request with { Kind = FrameKind.Stale, Length = 0 }, cancellation).ConfigureAwait(false);
    }

    private ValueTask SendAsync(Frame frame, CancellationToken cancellation) => SendAsync(frame, default, cancellation);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync(Frame frame, PartView payload, CancellationToken cancellation)
    {
        await _sending.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            session.Seal(frame, _answer);
            await stream.WriteAsync(_answer, cancellation).ConfigureAwait(false);
            for (var i = 0; i < payload.Count; i++)
                await stream.WriteAsync(_bytes.Of(payload[i]), cancellation).ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }
}
