using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Numerics;
using Cluster.Core.Randomness;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

public class GradientExchangeTests
{
    [Theory]
    [InlineData(6)]
    [InlineData(8)]
    public async Task ReduceAsync_EveryContiguousDivision_SameBits(int lanes)
    {
        var expected = TreeSum(lanes);
        for (var members = 1; members <= 5; members++)
        {
            foreach (var assignment in Divisions(lanes, members))
            {
                var results = await Reduce(assignment, boards => [.. boards.Select(b => (IPeerLink)new InProcessLink(b))]);
                Assert.All(results, result => Assert.Equal(expected, result));
            }
        }
    }

    [Theory]
    [InlineData("8")]
    [InlineData("3 5")]
    [InlineData("1 4 3")]
    public async Task ReduceAsync_HashAndNorm_AreThoseOfTheWholeSum(string division)
    {
        var assignment = Parse(division);
        var told = new List<ReducedGradient>();
        await Reduce(assignment, boards => [.. boards.Select(b => (IPeerLink)new InProcessLink(b))], told);
        var sum = TreeSum(8);
        var expected = new ReducedGradient(GradientHash.Of(sum, new SlicePlan(Length, 4_096)), BlockNorm.Of(sum));
        Assert.Equal(assignment.Ranges.Count, told.Count);
        Assert.All(told, t => Assert.Equal(expected, t));
        sum[Length - 1] = MathF.BitIncrement(sum[Length - 1]);
        Assert.NotEqual(expected.Hash, GradientHash.Of(sum, new SlicePlan(Length, 4_096)));
    }

    [Fact]
    public async Task ReduceAsync_PeerGoesOnWhileItsPartIsUsed_ResultThrownAway()
    {
        var assignment = Parse("4 4");
        var boards = Boards(2);
        var key = new ExchangeKey(1, 1, 1, 0);
        foreach (var board in boards)
            board.Advance(key);
        var peer = Store(assignment, 1);
        boards[1].PublishNodes([peer[assignment[1]]], new SlicePlan(Length, 4_096));
        var link = new OvertakenLink(boards[1], after: 2);
        var lost = await Assert.ThrowsAsync<PeerLostException>(() => new GradientExchange(boards[0], new SlicePlan(Length, 4_096))
            .ReduceAsync(key, assignment, 0, [null, link], Store(assignment, 0), new float[Length], CancellationToken.None));
        Assert.Equal(1, lost.Member);
        Assert.IsType<StaleKeyException>(lost.InnerException);
        // What was verified before stays published; the slice in doubt never was.
        await boards[0].ReadAsync(key, PartKind.Reduced, 1, CancellationToken.None);
        Assert.False(boards[0].ReadAsync(key, PartKind.Reduced, 2, CancellationToken.None).IsCompleted);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(8)]
    public void TreeSum_LeftFold_GivesOtherBits(int lanes)
    {
        var fold = Lane(0);
        for (var lane = 1; lane < lanes; lane++)
            ElementwiseSum.Add(fold, Lane(lane), fold);
        Assert.NotEqual(TreeSum(lanes), fold);
    }

    [Theory]
    [InlineData("3 5", Transport.Tcp)]
    [InlineData("1 4 3", Transport.Tcp)]
    [InlineData("2 2 1 0 3", Transport.Tcp)]
    [InlineData("3 5", Transport.SharedMemory)]
    [InlineData("1 4 3", Transport.SharedMemory)]
    [InlineData("2 2 1 0 3", Transport.SharedMemory)]
    public async Task ReduceAsync_RemotePeers_SameBits(string division, Transport transport)
    {
        var assignment = Parse(division);
        var servers = new List<TcpExchangeServer>();
        IPeerLink[] links = [];
        try
        {
            var results = await Reduce(assignment, boards => links = Serve(boards, servers), shared: transport == Transport.SharedMemory);
            Assert.All(results, result => Assert.Equal(TreeSum(assignment.Lanes), result));
            Assert.All(links, link => Assert.Equal(transport, ((RemoteLink)link).Transport));
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task ReduceAsync_PeerGone_PeerLostThenSameBitsWithSurvivors()
    {
        var assignment = Parse("3 3 2");
        var slices = new SlicePlan(Length, 4_096);
        var boards = Boards(3);
        var servers = new List<TcpExchangeServer>();
        var links = Serve(boards, servers);
        var stores = Enumerable.Range(0, 3).Select(m => Store(assignment, m)).ToArray();
        // Member 1 never publishes, and its server goes away while the others wait for it.
        var key = new ExchangeKey(1, 1, 1, 0);
        boards[0].Advance(key);
        boards[2].Advance(key);
        var waiting = new[] { 0, 2 }.Select(m => new GradientExchange(boards[m], slices).ReduceAsync(key, assignment, m, links, stores[m], new float[Length], CancellationToken.None)).ToArray();
        await servers[1].DisposeAsync();
        foreach (var task in waiting)
            Assert.Equal(1, (await Assert.ThrowsAsync<PeerLostException>(() => task)).Member);

        var survivors = LaneAssignment.Absorb(assignment, 1);
        foreach (var (store, place) in new[] { (stores[0], 0), (stores[2], 1) })
            Complete(store, survivors[place]);
        ExchangeBoard[] left = [boards[0], boards[2]];
        var again = await Task.WhenAll(Enumerable.Range(0, 2).Select(async place =>
        {
            var next = key with { Generation = 2 };
            left[place].Advance(next);
            var reduced = new float[Length];
            var fresh = left.Select(b => (IPeerLink)new InProcessLink(b)).ToArray();
            await new GradientExchange(left[place], slices).ReduceAsync(next, survivors, place, fresh, place == 0 ? stores[0] : stores[2], reduced, CancellationToken.None);
            return reduced;
        }));
        Assert.All(again, result => Assert.Equal(TreeSum(8), result));
        foreach (var server in servers)
            await server.DisposeAsync();
    }

    [Fact]
    public async Task ReadAsync_OlderKeyOrOtherRun_Stale()
    {
        var board = new ExchangeBoard(1);
        board.Advance(new ExchangeKey(1, 2, 3, 4));
        foreach (var key in new[] { new ExchangeKey(1, 2, 3, 3), new ExchangeKey(1, 2, 2, 9), new ExchangeKey(1, 1, 9, 9), new ExchangeKey(2, 2, 3, 4) })
            await Assert.ThrowsAsync<StaleKeyException>(async () => await board.ReadAsync(key, PartKind.Nodes, 0, CancellationToken.None));
        Assert.Throws<StaleKeyException>(() => board.Advance(new ExchangeKey(1, 2, 3, 3)));
    }

    [Fact]
    public async Task TcpLink_OtherSecret_IsRefused()
    {
        await using var server = new TcpExchangeServer(new ExchangeBoard(1), new IPEndPoint(IPAddress.Loopback, 0), Secret);
        await using var link = new RemoteLink(server.EndPoint, new byte[] { 9 });
        await Assert.ThrowsAnyAsync<IOException>(async () => await link.ReadAsync(new ExchangeKey(1, 1, 1, 0), PartKind.Nodes, 0, 1, new float[16], CancellationToken.None));
    }

    private static async Task<float[][]> Reduce(
        LaneAssignment assignment, Func<ExchangeBoard[], IPeerLink[]> connect, List<ReducedGradient>? told = null, bool shared = false)
    {
        var members = assignment.Ranges.Count;
        var boards = Boards(members, shared);
        var links = connect(boards);
        var slices = new SlicePlan(Length, 4_096);
        var buffers = boards.Select(b => b.CreateBuffers(slices, assignment.Lanes)).ToArray();
        var key = new ExchangeKey(1, 1, 1, 0);
        return await Task.WhenAll(Enumerable.Range(0, members).Select(async member =>
        {
            boards[member].Advance(key);
            var reduced = buffers[member].Allocate();
            var result = await new GradientExchange(boards[member], slices).ReduceAsync(
                key, assignment, member, links, Store(assignment, member, buffers: buffers[member]), reduced, CancellationToken.None);
            lock (boards)
                told?.Add(result);
            return reduced.ToArray();
        }));
    }

    /// <summary>A peer that advances while the part of its n-th read is used.</summary>
    private sealed class OvertakenLink(ExchangeBoard board, int after) : IPeerLink
    {
        private int _asked;

        public bool Copies => false;

        public TimeSpan AnswerLimit { get; set; }

        public ValueTask<PartView> ReadAsync(ExchangeKey key, PartKind kind, int slice, int count, Memory<float> room, CancellationToken cancellation) =>
            board.ReadAsync(key, kind, slice, cancellation);

        public bool IsCurrent(ExchangeKey key)
        {
            if (_asked++ == after)
                board.Advance(key with { Generation = key.Generation + 1 });
            return board.IsCurrent(key);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
