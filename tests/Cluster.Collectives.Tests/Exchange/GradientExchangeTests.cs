using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Randomness;

namespace Cluster.Collectives.Tests.Exchange;

public class GradientExchangeTests
{
    private const int Length = 1_000;
    private static readonly byte[] s_secret = [1, 2, 3];

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
    [InlineData("3 5")]
    [InlineData("1 4 3")]
    [InlineData("2 2 1 0 3")]
    public async Task ReduceAsync_OverSockets_SameBits(string division)
    {
        var assignment = Parse(division);
        var servers = new List<TcpExchangeServer>();
        try
        {
            var results = await Reduce(assignment, boards => Serve(boards, servers));
            Assert.All(results, result => Assert.Equal(TreeSum(assignment.Lanes), result));
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
        var slices = new SlicePlan(Length, 64);
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
            await Assert.ThrowsAsync<StaleKeyException>(async () => await board.ReadAsync(key, PartKind.Nodes, 0, new float[1], CancellationToken.None));
        Assert.Throws<StaleKeyException>(() => board.Advance(new ExchangeKey(1, 2, 3, 3)));
    }

    [Fact]
    public async Task TcpLink_OtherSecret_IsRefused()
    {
        await using var server = new TcpExchangeServer(new ExchangeBoard(1), new IPEndPoint(IPAddress.Loopback, 0), s_secret);
        await using var link = new TcpLink(server.EndPoint, new byte[] { 9 });
        await Assert.ThrowsAnyAsync<IOException>(async () => await link.ReadAsync(new ExchangeKey(1, 1, 1, 0), PartKind.Nodes, 0, new float[16], CancellationToken.None));
    }

    [Fact]
    public void FrameRead_MutatedHeads_NoneAccepted()
    {
        var head = new byte[Frame.Size];
        new Frame(FrameKind.Part, new ExchangeKey(1, 2, 3, 4), 5, 6, 7, 8).Write(head);
        Assert.Equal(7, Frame.Read(head).Length);
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 0);
        for (ulong i = 0; i < 20_000; i++)
        {
            var mutated = head.ToArray();
            for (ulong flips = 0; flips <= random.Below(3 * i, 4); flips++)
                mutated[random.Below(100_000 + 8 * i + flips, Frame.Size)] ^= (byte)(1 + random.Below(900_000 + 8 * i + flips, 255));
            if (!mutated.AsSpan().SequenceEqual(head))
                Assert.Throws<InvalidDataException>(() => Frame.Read(mutated));
        }
    }

    private static async Task<float[][]> Reduce(LaneAssignment assignment, Func<ExchangeBoard[], IPeerLink[]> connect)
    {
        var members = assignment.Ranges.Count;
        var boards = Boards(members);
        var links = connect(boards);
        var slices = new SlicePlan(Length, 64);
        var key = new ExchangeKey(1, 1, 1, 0);
        return await Task.WhenAll(Enumerable.Range(0, members).Select(async member =>
        {
            boards[member].Advance(key);
            var reduced = new float[Length];
            await new GradientExchange(boards[member], slices).ReduceAsync(key, assignment, member, links, Store(assignment, member), reduced, CancellationToken.None);
            return reduced;
        }));
    }

    private static ExchangeBoard[] Boards(int members) => [.. Enumerable.Range(0, members).Select(_ => new ExchangeBoard(1))];

    private static IPeerLink[] Serve(ExchangeBoard[] boards, List<TcpExchangeServer> servers)
    {
        foreach (var board in boards)
            servers.Add(new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), s_secret));
        return [.. servers.Select(s => (IPeerLink)new TcpLink(s.EndPoint, s_secret))];
    }

    private static NodeStore Store(LaneAssignment assignment, int member)
    {
        var store = new NodeStore(new LaneTree(assignment.Lanes), Length);
        store.BeginStep(0);
        Complete(store, assignment[member]);
        return store;
    }

    private static void Complete(NodeStore store, LaneRange range)
    {
        for (var lane = range.Start; lane < range.End; lane++)
        {
            if (store.Holds(lane))
                continue;
            Lane(lane).CopyTo(store.BeginLane(lane));
            store.CompleteLane(lane);
        }
    }

    private static float[] Lane(int lane)
    {
        var values = new float[Length];
        new CounterRandom(11, RandomPurpose.Synthetic, (ulong)lane).Normal(values, Math.Pow(10, lane % 4));
        return values;
    }

    /// <summary>((0+1)+(2+3))+(4+5): written out without the code under test.</summary>
    private static float[] TreeSum(int lanes)
    {
        float[] Sum(int start, int count)
        {
            if (count == 1)
                return Lane(start);
            var left = 1;
            while (left * 2 < count)
                left *= 2;
            return [.. Sum(start, left).Zip(Sum(start + left, count - left), (a, b) => a + b)];
        }

        return Sum(0, lanes);
    }

    private static IEnumerable<LaneAssignment> Divisions(int lanes, int members)
    {
        IEnumerable<int[]> Sizes(int left, int parts) => parts == 1
            ? [[left]]
            : Enumerable.Range(0, left + 1).SelectMany(first => Sizes(left - first, parts - 1).Select(rest => (int[])[first, .. rest]));
        return Sizes(lanes, members).Select(sizes => Parse(string.Join(' ', sizes)));
    }

    private static LaneAssignment Parse(string division)
    {
        var start = 0;
        return new LaneAssignment([.. division.Split(' ').Select(int.Parse).Select(count => new LaneRange((start += count) - count, count))]);
    }
}
