using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Models;
using Cluster.Core.Numerics;
using Cluster.Core.Planning;
using Cluster.Core.Randomness;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

/// <summary>The reduction whose nodes are in bf16 (determinism.md, rule 4).</summary>
public class Bf16ReductionTests
{
    private static readonly SlicePlan s_slices = SlicePlan.Of(Length, ReductionPrecision.Bf16, 4_096);

    [Theory]
    [InlineData(6)]
    [InlineData(8)]
    public async Task ReduceAsync_EveryContiguousDivision_SameBits(int lanes)
    {
        var expected = TreeSum(lanes);
        for (var members = 1; members <= 5; members++)
        {
            foreach (var assignment in Divisions(lanes, members))
                Assert.All(await Reduce(assignment, boards => [.. boards.Select(b => (IPeerLink)new InProcessLink(b))]), result => Assert.Equal(expected, result.Words));
        }

        Assert.NotEqual(expected, LeftFold(lanes));
        Assert.NotEqual(expected, TreeSum(lanes, localEdges: false));
    }

    [Theory]
    [InlineData("3 5", Transport.Tcp)]
    [InlineData("1 4 3", Transport.Tcp)]
    [InlineData("3 5", Transport.SharedMemory)]
    [InlineData("2 0 6", Transport.SharedMemory)]
    public async Task ReduceAsync_RemotePeers_SameBitsHashAndNorm(string division, Transport transport)
    {
        var assignment = Parse(division);
        var servers = new List<TcpExchangeServer>();
        IPeerLink[] links = [];
        try
        {
            var results = await Reduce(assignment, boards => links = Serve(boards, servers), transport == Transport.SharedMemory);
            var sum = TreeSum(assignment.Lanes);
            var numbers = new float[Length];
            PackedBf16.Widen(sum, numbers);
            Assert.All(results, result =>
            {
                Assert.Equal(sum, result.Words);
                Assert.Equal(numbers, result.Numbers);
                Assert.Equal(new ReducedGradient(GradientHash.Of(sum, s_slices), BlockNorm.Of(numbers)), result.Told);
            });
            Assert.All(links, link => Assert.Equal(transport, ((RemoteLink)link).Transport));
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("3 5")]
    [InlineData("1 4 3")]
    [InlineData("4 4")]
    public async Task BytesFrom_AllMembers_HalfOfFp32s(string division)
    {
        // An even number of slices of both cuts for each owner, so that halves are exact.
        const int length = 48 * 4_096;
        Assert.Equal(await Bytes(ReductionPrecision.Fp32), 2 * await Bytes(ReductionPrecision.Bf16));

        async Task<long> Bytes(ReductionPrecision precision)
        {
            var assignment = Parse(division);
            var results = await Reduce(assignment, boards => [.. boards.Select(b => (IPeerLink)new InProcessLink(b))], precision: precision, length: length);
            Assert.All(results, result => Assert.Equal(results[0].Told, result.Told));
            return results.Sum(result => result.BytesRead);
        }
    }

    /// <summary>What <c>cluster plan</c> says of gradients is what the store allocates, where the bounds of a lane's range are the tree's.</summary>
    [Theory]
    [InlineData(1, ReductionPrecision.Fp32)]
    [InlineData(4, ReductionPrecision.Fp32)]
    [InlineData(6, ReductionPrecision.Fp32)]
    [InlineData(1, ReductionPrecision.Bf16)]
    [InlineData(4, ReductionPrecision.Bf16)]
    [InlineData(7, ReductionPrecision.Bf16)]
    [InlineData(8, ReductionPrecision.Bf16)]
    public void AllocatedBytes_OfLanesInOrder_AreThePlans(int lanes, ReductionPrecision precision)
    {
        const int length = 16 * 1_024;
        var store = new NodeStore(new LaneTree(16), length, precision: precision);
        for (var step = 0; step < 3; step++)
        {
            store.BeginStep(step);
            for (var lane = 0; lane < lanes; lane++)
            {
                store.BeginLane(lane).Clear();
                store.CompleteLane(lane);
            }
        }

        var reduced = store.Words * sizeof(float);
        Assert.Equal(length * ReplicaMemory.GradientBytes(lanes, precision), store.AllocatedBytes + reduced);
    }

    [Fact]
    public void CompleteLane_AnyOrder_SameNodes()
    {
        var expected = TreeSum(8);
        foreach (var order in (int[][])[[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [3, 0, 6, 1, 7, 2, 5, 4]])
        {
            var store = new NodeStore(new LaneTree(8), Length, precision: ReductionPrecision.Bf16);
            store.BeginStep(0);
            // Two begun at once, one of them given back.
            store.BeginLane(order[1]);
            foreach (var lane in order)
            {
                store.AbandonLane(lane);
                Lane(lane).AsSpan().CopyTo(store.BeginLane(lane));
                store.CompleteLane(lane);
            }

            Assert.Equal(expected, store[new LaneRange(0, 8)].ToArray());
            Assert.Equal(1, store.BuffersInUse);
        }
    }

    [Fact]
    public async Task ReduceAsync_NodesOfTheOtherFormat_NamesBothSizes()
    {
        var assignment = Parse("8");
        var board = new ExchangeBoard(1);
        var key = new ExchangeKey(1, 1, 1, 0);
        board.Advance(key);
        var error = await Assert.ThrowsAsync<ArgumentException>(() => new GradientExchange(board, s_slices)
            .ReduceAsync(key, assignment, 0, [null], Store(assignment, 0), new float[s_slices.Length], CancellationToken.None));
        Assert.Contains($"{Length} words were given where {s_slices.Length}", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A peer that takes nodes for fp32 is told nothing: what it asks for is not as long as what is there.</summary>
    [Fact]
    public async Task RemoteLink_AsksForFp32OfBf16_ConnectionEnds()
    {
        var board = new ExchangeBoard(1);
        var key = new ExchangeKey(1, 1, 1, 0);
        board.Advance(key);
        board.PublishNodes([new float[s_slices.Length]], s_slices);
        await using var server = new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret);
        await using var link = new RemoteLink(server.EndPoint, Secret);
        var last = s_slices.Count - 1;
        Assert.NotEqual(4_096, s_slices[last].Length);
        await Assert.ThrowsAnyAsync<IOException>(async () => await link.ReadAsync(key, PartKind.Nodes, last, 1, new float[4_096], CancellationToken.None));
    }

    private sealed record Result(float[] Words, float[] Numbers, ReducedGradient Told, long BytesRead);

    private static async Task<Result[]> Reduce(
        LaneAssignment assignment, Func<ExchangeBoard[], IPeerLink[]> connect, bool shared = false, ReductionPrecision precision = ReductionPrecision.Bf16, int length = Length)
    {
        var members = assignment.Ranges.Count;
        var boards = Boards(members, shared);
        var links = connect(boards);
        var slices = SlicePlan.Of(length, precision, 4_096);
        var buffers = boards.Select(b => b.CreateBuffers(slices, assignment.Lanes)).ToArray();
        var key = new ExchangeKey(1, 1, 1, 0);
        return await Task.WhenAll(Enumerable.Range(0, members).Select(async member =>
        {
            boards[member].Advance(key);
            var reduced = buffers[member].Allocate();
            var store = new NodeStore(new LaneTree(assignment.Lanes), length, buffers[member], precision);
            store.BeginStep(0);
            Complete(store, assignment[member]);
            var exchange = new GradientExchange(boards[member], slices);
            var told = await exchange.ReduceAsync(key, assignment, member, links, store, reduced, CancellationToken.None);
            return new Result(reduced.ToArray(), store.Numbers(reduced.Span).ToArray(), told, Enumerable.Range(0, members).Sum(exchange.BytesFrom));
        }));
    }

    /// <summary>r(r(r(0) + r(1)) + …), r to bf16, written out without the code under test but for the rounding; packed at the end.</summary>
    /// <param name="lanes">Lanes.</param>
    /// <param name="localEdges">Whether lanes are rounded before they are added to their neighbour, as where that is another replica's.</param>
    private static float[] TreeSum(int lanes, bool localEdges = true)
    {
        return Packed(Sum(0, lanes));

        float[] Sum(int start, int count)
        {
            if (count == 1)
                return localEdges ? Rounded(Lane(start)) : Lane(start);
            var left = 1;
            while (left * 2 < count)
                left *= 2;
            return Rounded([.. Sum(start, left).Zip(Sum(start + left, count - left), (a, b) => a + b)]);
        }
    }

    private static float[] LeftFold(int lanes)
    {
        var sum = Rounded(Lane(0));
        for (var lane = 1; lane < lanes; lane++)
            sum = Rounded([.. sum.Zip(Rounded(Lane(lane)), (a, b) => a + b)]);
        return Packed(sum);
    }

    private static float[] Packed(float[] numbers)
    {
        var words = new float[PackedBf16.WordsOf(numbers.Length)];
        PackedBf16.Round(numbers, words);
        return words;
    }

    private static float[] Rounded(float[] numbers)
    {
        var rounded = new float[numbers.Length];
        PackedBf16.Widen(Packed(numbers), rounded);
        return rounded;
    }
}
