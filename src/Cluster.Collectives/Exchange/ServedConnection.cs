using System.IO.Hashing;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Cluster.Collectives.Memory;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// The server's end of one connection: a thread that receives and one that answers. Requests are answered in order; pings at once, even
/// while a request waits for its part. Nothing is reserved for a request: parts are sent from where they lie, and a length other than
/// the part's own ends the connection.
/// Enters: a socket after its handshake, the board. Leaves: answers. Does not know listening or secrets.
/// </summary>
internal sealed class ServedConnection(Socket socket, Session session, ExchangeBoard board)
{
    /// <summary>Requests of one connection that may wait at once; a peer that keeps to the protocol asks for a few slices ahead.</summary>
    private const int MaxWaiting = 64;

    private readonly Queue<Frame> _requests = new(MaxWaiting);
    private readonly CancellationTokenSource _ending = new();
    private readonly object _sending = new();
    private readonly XxHash128 _hash = new();
    private readonly byte[] _answer = new byte[Frame.Size];
    private Exception? _failure;

    /// <summary>Serves until the peer hangs up or the socket is closed.</summary>
    /// <exception cref="InvalidDataException">The peer broke the protocol.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="SocketException">The connection broke.</exception>
    public void Run()
    {
        Hello();
        var answering = new Thread(Answer) { IsBackground = true, Name = "exchange answers" };
        answering.Start();
        try
        {
            Receive();
        }
        finally
        {
            End();
            answering.Join();
            _ending.Dispose();
        }

        if (_failure is { } failure)
            throw failure;
    }

    private void Hello()
    {
        var address = board.Segment is { } segment ? MemoryMarshal.AsBytes([segment]).ToArray() : [];
        var hello = new Frame(FrameKind.Hello, default, 0, 0, address.Length / sizeof(float), (ulong)XxHash128.HashToUInt128(address));
        session.Seal(hello, _answer);
        socket.Send(_answer);
        socket.Send(address);
    }

    private void Receive()
    {
        var head = new byte[Frame.Size];
        while (socket.Receive(head) is var got and > 0)
        {
            StreamSocket.ReceiveExactly(socket, head.AsSpan(got));
            if (!session.TryOpen(head, out var frame, out var problem))
                throw new InvalidDataException(problem);
            if (frame.Kind == FrameKind.Ping)
                Send(frame with { Kind = FrameKind.Pong, Length = 0 });
            else if (FrameKinds.PartOf(frame.Kind) is not null)
                Enqueue(frame);
            else
                throw new InvalidDataException($"A frame of kind {frame.Kind} is no request.");
        }
    }

    private void Enqueue(Frame request)
    {
        lock (_requests)
        {
            if (_requests.Count == MaxWaiting)
                throw new InvalidDataException($"More than {MaxWaiting} requests wait.");
            _requests.Enqueue(request);
            Monitor.Pulse(_requests);
        }
    }

    private bool TryDequeue(out Frame request)
    {
        lock (_requests)
        {
            while (!_requests.TryDequeue(out request))
            {
                if (_ending.IsCancellationRequested)
                    return false;
                Monitor.Wait(_requests);
            }

            return true;
        }
    }

    /// <summary>Wakes both threads, whatever they wait for.</summary>
    private void End()
    {
        _ending.Cancel();
        lock (_requests)
            Monitor.Pulse(_requests);
        StreamSocket.Wake(socket);
    }

    private void Answer()
    {
        try
        {
            while (TryDequeue(out var request))
                Answer(request);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // The connection is over.
        }
        catch (Exception error) when (error is InvalidDataException or SocketException or ObjectDisposedException)
        {
            _failure = error;
            StreamSocket.Wake(socket);
        }
    }

    private void Answer(Frame request)
    {
        PartView part;
        var (kind, awaits) = FrameKinds.PartOf(request.Kind)!.Value;
        try
        {
            part = board.Read(request.Key, kind, request.Slice, _ending.Token);
        }
        catch (StaleKeyException)
        {
            Send(request with { Kind = FrameKind.Stale, Length = 0 });
            return;
        }
        catch (ArgumentException error)
        {
            throw new InvalidDataException(error.Message, error);
        }

        if (awaits)
        {
            Send(request with { Kind = FrameKind.There, Length = 0 });
            return;
        }

        if (request.Length != part.Count * part.Length)
            throw new InvalidDataException($"{request.Length} floats were asked for; the part has {part.Count * part.Length}.");
        var hash = (ulong)(part.Hash ?? Hash(part));
        // The hash is of what was published only if the board still stands here. An owner that goes on later, while bytes are under
        // way, may change them: the hash does not fit then, and the asker, who is of an older generation, gives the connection up.
        if (board.IsCurrent(request.Key))
            Send(request with { Kind = FrameKind.Part, PayloadHash = hash }, part);
        else
            Send(request with { Kind = FrameKind.Stale, Length = 0 });
    }

    private UInt128 Hash(PartView part)
    {
        for (var i = 0; i < part.Count; i++)
            _hash.Append(MemoryMarshal.AsBytes(part[i].Span));
        var hash = _hash.GetCurrentHashAsUInt128();
        _hash.Reset();
        return hash;
    }

    private void Send(Frame frame, PartView payload = default)
    {
        lock (_sending)
        {
            session.Seal(frame, _answer);
            StreamSocket.Send(socket, _answer, payload);
        }
    }
}
