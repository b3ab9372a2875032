using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Memory;
using Cluster.Collectives.Reduction;
using Cluster.Core.Randomness;

namespace Cluster.Collectives.Tests.Exchange;

/// <summary>Lanes, members and links for tests of the exchange.</summary>
internal static class Reductions
{
    public const int Length = 5 * 4_096 + 1_000;

    public static readonly byte[] Secret = [1, 2, 3];

    private static readonly float[][] s_lanes = [.. Enumerable.Range(0, 8).Select(lane =>
    {
        var values = new float[Length];
        new CounterRandom(11, RandomPurpose.Synthetic, (ulong)lane).Normal(values, Math.Pow(10, lane % 4));
        return values;
    })];

    public static ExchangeBoard[] Boards(int members, bool shared = false) => [.. Enumerable.Range(0, members).Select(_ => new ExchangeBoard(1, shared))];

    public static IPeerLink[] Serve(ExchangeBoard[] boards, List<TcpExchangeServer> servers)
    {
        foreach (var board in boards)
            servers.Add(new TcpExchangeServer(board, new IPEndPoint(IPAddress.Loopback, 0), Secret));
        return [.. servers.Select(s => (IPeerLink)new RemoteLink(s.EndPoint, Secret))];
    }

    public static NodeStore Store(LaneAssignment assignment, int member, int length = Length, IBufferSource? buffers = null)
    {
        var store = new NodeStore(new LaneTree(assignment.Lanes), length, buffers);
        store.BeginStep(0);
        Complete(store, assignment[member]);
        return store;
    }

    public static void Complete(NodeStore store, LaneRange range)
    {
        for (var lane = range.Start; lane < range.End; lane++)
        {
            if (store.Holds(lane))
                continue;
            var gradient = store.BeginLane(lane);
            gradient.Clear();
            Lane(lane).AsSpan().CopyTo(gradient);
            store.CompleteLane(lane);
        }
    }

    public static float[] Lane(int lane) => [.. s_lanes[lane]];

    /// <summary>((0+1)+(2+3))+(4+5): written out without the code under test.</summary>
    public static float[] TreeSum(int lanes)
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

    public static IEnumerable<LaneAssignment> Divisions(int lanes, int members)
    {
        IEnumerable<int[]> Sizes(int left, int parts) => parts == 1
            ? [[left]]
            : Enumerable.Range(0, left + 1).SelectMany(first => Sizes(left - first, parts - 1).Select(rest => (int[])[first, .. rest]));
        return Sizes(lanes, members).Select(sizes => Parse(string.Join(' ', sizes)));
    }

    public static LaneAssignment Parse(string division)
    {
        var start = 0;
        return new LaneAssignment([.. division.Split(' ').Select(int.Parse).Select(count => new LaneRange((start += count) - count, count))]);
    }
}
