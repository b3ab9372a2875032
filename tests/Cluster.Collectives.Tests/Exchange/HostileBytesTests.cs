using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Randomness;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

/// <summary>Bytes of somebody who is no peer, or of a peer on another connection. Memory is counted: these run alone.</summary>
[Collection("Allocations")]
public class HostileBytesTests
{
    private static readonly ExchangeKey s_key = new(1, 2, 3, 4);

    /// <summary>Four kinds, a quarter of a million each; what a receiver checks is the head alone, before it reads or reserves anything.</summary>
    [Theory]
    [InlineData("mutated")]
    [InlineData("truncated")]
    [InlineData("replayed")]
    [InlineData("foreign")]
    public void TryOpen_QuarterMillionHostileHeads_NoneAcceptedNothingAllocated(string kind)
    {
        var random = new CounterRandom(1, RandomPurpose.Synthetic, (ulong)kind.Length);
        var (client, server) = Pair(1);
        var (foreignClient, _) = Pair(2);
        var head = new byte[Frame.Size];
        var next = new byte[Frame.Size];
        var hostile = new byte[Frame.Size];
        client.Seal(new Frame(FrameKind.ReadNodes, s_key, 1, 6, 7, 0), head);
        Assert.True(server.TryOpen(head, out var accepted, out _));
        Assert.Equal(6, accepted.Slice);
        client.Seal(new Frame(FrameKind.ReadReduced, s_key, 2, 8, 9, 0), next);
        var before = GC.GetAllocatedBytesForCurrentThread();
        ulong at = 0;
        for (var i = 0; i < 250_000; i++)
        {
            next.CopyTo(hostile, 0);
            switch (kind)
            {
                case "mutated":
                    var flips = 1 + random.Below(at++, 4);
                    for (ulong flip = 0; flip < flips; flip++)
                        hostile[random.Below(at++, Frame.Size)] ^= (byte)(1 + random.Below(at++, 255));
                    break;
                case "truncated":
                    // What follows a truncated frame in a stream is the head of another one.
                    var kept = (int)(1 + random.Below(at++, Frame.Size - 1));
                    head.AsSpan(0, Frame.Size - kept).CopyTo(hostile.AsSpan(kept));
                    break;
                case "replayed":
                    head.CopyTo(hostile, 0);
                    break;
                default:
                    foreignClient.Seal(new Frame(FrameKind.ReadNodes, s_key, i, i, i, 0), hostile);
                    break;
            }

            // Two flips of one byte may cancel each other.
            if (!hostile.AsSpan().SequenceEqual(next) && server.TryOpen(hostile, out _, out _))
                Assert.Fail($"Frame {i} was accepted.");
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 250_000 * 320);
        Assert.True(server.TryOpen(next, out _, out _), "the genuine frame is accepted after all that");
    }

    [Fact]
    public void TryOpen_OwnFrameSentBack_Refused()
    {
        var (client, _) = Pair(1);
        var head = new byte[Frame.Size];
        client.Seal(new Frame(FrameKind.Part, s_key, 1, 6, 7, 0), head);
        Assert.False(client.TryOpen(head, out _, out _));
    }

    [Theory]
    [InlineData((int)FrameKind.ReadNodes, Frame.MaxLength, 0)]
    [InlineData((int)FrameKind.ReadReduced, 4_096, 0)]
    [InlineData((int)FrameKind.ReadReduced, 16, 1)]
    [InlineData((int)FrameKind.ReadReduced, 16, -1)]
    [InlineData((int)FrameKind.Part, 16, 0)]
    [InlineData((int)FrameKind.Hello, 16, 0)]
    [InlineData(99, 16, 0)]
    [InlineData((int)FrameKind.ReadReduced, -1, 0)]
    [InlineData((int)FrameKind.ReadReduced, int.MaxValue, 0)]
    public async Task Server_SealedButSenseless_ClosedAndNothingReserved(int kind, int length, int slice)
    {
        var board = Published();
        await using var server = new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret);
        using var peer = await ConnectAsync(server.EndPoint);
        var session = await OpenAsync(peer, client: true);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var head = new byte[Frame.Size];
        session.Seal(new Frame((FrameKind)kind, s_key, 1, slice, length, 0), head);
        await peer.WriteAsync(head);
        Assert.Equal(0, await peer.ReadAsync(head));
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 200_000);
        await UntilRefusedAsync(server, 1);
    }

    [Fact]
    public async Task Server_FrameRecordedOnAnotherConnection_Refused()
    {
        await using var server = new TcpExchangeServer(Published(), new IPEndPoint(IPAddress.Loopback, 0), Secret);
        using var first = await ConnectAsync(server.EndPoint);
        var recorded = new byte[Frame.Size];
        (await OpenAsync(first, client: true)).Seal(new Frame(FrameKind.ReadReduced, s_key, 1, 0, 16, 0), recorded);
        await first.WriteAsync(recorded);
        var answer = new byte[Frame.Size + 64];
        await first.ReadExactlyAsync(answer);

        using var second = await ConnectAsync(server.EndPoint);
        await OpenAsync(second, client: true);
        await second.WriteAsync(recorded);
        Assert.Equal(0, await second.ReadAsync(answer));
        await first.WriteAsync(recorded);
        Assert.Equal(0, await first.ReadAsync(answer));
        await UntilRefusedAsync(server, 2);
    }

    [Fact]
    public async Task Server_FloodOfHostileConnections_AllRefusedMemoryBounded()
    {
        await using var server = new TcpExchangeServer(Published(), new IPEndPoint(IPAddress.Loopback, 0), Secret);
        var random = new CounterRandom(9, RandomPurpose.Synthetic, 0);
        const int connections = 300;
        var noise = new byte[2 * Frame.Size];
        for (var i = 0; i < connections; i++)
        {
            for (var b = 0; b < noise.Length; b++)
                noise[b] = (byte)random.Below((ulong)(i * noise.Length + b), 256);
            using var peer = await ConnectAsync(server.EndPoint);
            var handshake = i % 2 == 0;
            if (handshake)
                await OpenAsync(peer, client: true);
            await peer.WriteAsync(noise);
            peer.Socket.Shutdown(SocketShutdown.Send);
        }

        await UntilRefusedAsync(server, connections);
        GC.Collect();
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true), 0, 256 << 20);
        await using var link = new RemoteLink(server.EndPoint, Secret);
        var room = new float[16];
        Assert.Equal(1, (await link.ReadAsync(s_key, PartKind.Reduced, 0, 1, room, CancellationToken.None))[0].Span[0]);
    }

    /// <summary>The link's side: a peer that knows the secret and answers wrongly.</summary>
    [Theory]
    [InlineData("other request")]
    [InlineData("other slice")]
    [InlineData("other key")]
    [InlineData("too long")]
    [InlineData("wrong payload")]
    [InlineData("unasked view")]
    [InlineData("noise")]
    [InlineData("truncated")]
    [InlineData("twice")]
    public async Task Link_WrongAnswer_ConnectionEndsAndRoomIsNotTaken(string wrong)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        await using var link = new RemoteLink((IPEndPoint)listener.LocalEndPoint!, Secret);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var read = link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
        using var peer = new NetworkStream(await listener.AcceptAsync(), ownsSocket: true);
        var session = await OpenAsync(peer, client: false);
        var head = new byte[Frame.Size];
        await peer.ReadExactlyAsync(head);
        Assert.True(session.TryOpen(head, out var request, out _));
        var payload = new byte[64];
        var right = request with { Kind = FrameKind.Part, PayloadHash = (ulong)XxHash128.HashToUInt128(payload) };
        session.Seal(wrong switch
        {
            "other request" => right with { Request = 2 },
            "other slice" => right with { Slice = 1 },
            "other key" => right with { Key = s_key with { Generation = 9 } },
            "too long" => right with { Length = Frame.MaxLength },
            "wrong payload" => right with { PayloadHash = right.PayloadHash ^ 1 },
            "unasked view" => right with { Kind = FrameKind.There },
            _ => right,
        }, head);
        if (wrong == "noise")
            head.AsSpan().Fill(7);
        if (wrong == "twice")
        {
            await peer.WriteAsync(head);
            await peer.WriteAsync(payload);
            await read;
            read = link.ReadAsync(s_key, PartKind.Reduced, 0, 1, new float[16], CancellationToken.None);
        }

        await peer.WriteAsync(head);
        await peer.WriteAsync(wrong == "truncated" ? payload.AsMemory(0, 40) : payload);
        peer.Socket.Shutdown(SocketShutdown.Send);
        await Assert.ThrowsAnyAsync<IOException>(async () => await read);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 1 << 20);
    }

    private static (Session Client, Session Server) Pair(byte nonce)
    {
        var nonces = new byte[64];
        nonces.AsSpan().Fill(nonce);
        return (new Session(Secret, nonces, client: true), new Session(Secret, nonces, client: false));
    }

    private static ExchangeBoard Published()
    {
        var board = new ExchangeBoard(1);
        board.Advance(s_key);
        var ones = new float[16];
        ones.AsSpan().Fill(1);
        board.PublishNodes([ones], new SlicePlan(16));
        board.PublishReduced(0, GradientHash.OfSlice(ones), ones, new SlicePlan(16));
        return board;
    }

    private static async Task<NetworkStream> ConnectAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Handshake and the server's first frame.</summary>
    private static async Task<Session> OpenAsync(NetworkStream stream, bool client)
    {
        var session = Handshake.Run(stream.Socket, Secret, client);
        var head = new byte[Frame.Size];
        if (client)
        {
            await stream.ReadExactlyAsync(head);
            Assert.True(session.TryOpen(head, out var hello, out _));
            Assert.Equal((FrameKind.Hello, 0), (hello.Kind, hello.Length));
        }
        else
        {
            session.Seal(new Frame(FrameKind.Hello, default, 0, 0, 0, (ulong)XxHash128.HashToUInt128([])), head);
            await stream.WriteAsync(head);
        }

        return session;
    }

    private static async Task UntilRefusedAsync(TcpExchangeServer server, long count)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (server.Refused < count)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Assert.Equal(count, server.Refused);
    }
}
