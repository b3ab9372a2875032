using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Core.Numerics;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

public class ShardedExchangeTests
{
    private static readonly SlicePlan s_slices = new(Length, 4_096);

    [Theory]
    [InlineData("3 3 2", Transport.Unknown)]
    [InlineData("1 4 3", Transport.Tcp)]
    [InlineData("2 2 1 0 3", Transport.SharedMemory)]
    [InlineData("2 2 1 0 3", Transport.Tcp)]
    [InlineData("1 1 1 1 1 1 1 1", Transport.Unknown)]
    public async Task ReduceAsync_Sharded_SumsWhereMomentsAreElseParameters(string division, Transport transport)
    {
        var assignment = Parse(division);
        var members = assignment.Ranges.Count;
        var plan = new ShardPlan(s_slices, [.. Enumerable.Range(0, members).Select(m => $"host-{m}")]);
        var (reduced, told) = await Reduce(assignment, plan, transport, _ => 0);
        var sum = TreeSum(8);
        var norm = BlockNorm.Of(sum);
        var parameters = new float[Length];
        for (var slice = 0; slice < s_slices.Count; slice++)
        {
            var (start, length) = s_slices[slice];
            Step(sum.AsSpan(start, length), norm, parameters.AsSpan(start, length));
            for (var member = 0; member < members; member++)
            {
                var expected = plan.Holds(member, slice) ? sum : parameters;
                Assert.True(reduced[member].AsSpan(start, length).SequenceEqual(expected.AsSpan(start, length)), $"slice {slice} of member {member}");
            }
        }

        Assert.All(told, t => Assert.Equal(new ReducedGradient(GradientHash.Of(sum, s_slices), norm, GradientHash.Of(parameters, s_slices)), t));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task ReduceAsync_OneMembersMomentsDiffer_HashesDiffer(int member)
    {
        var plan = new ShardPlan(s_slices, ["a", "b", "c", "d"]);
        var (_, told) = await Reduce(Parse("2 2 2 2"), plan, Transport.Unknown, m => m == member ? 1 : 0);
        // Whoever took the owner's word has its parameters, and the buddy, which computed them itself, others.
        Assert.True(told.Select(t => t.ParametersHash).Distinct().Count() > 1);
        Assert.Single(told.Select(t => t.Hash).Distinct());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(5, 2)]
    [InlineData(9, 2)]
    public void Holds_EverySlice_ByOwnerAndOneBuddy(int members, int copies)
    {
        var plan = new ShardPlan(s_slices, [.. Enumerable.Range(0, members).Select(m => $"{m}")]);
        for (var slice = 0; slice < s_slices.Count; slice++)
            Assert.Equal(copies, Enumerable.Range(0, members).Count(m => plan.Holds(m, slice)));
        Assert.Equal((long)copies * Length, Enumerable.Range(0, members).Sum(plan.FloatsOf));
    }

    [Theory]
    [InlineData("a a b b", true)]
    [InlineData("a a b b c c", true)]
    [InlineData("a a a b", false)]
    public void Holds_SeveralMembersOnOneHost_BuddyIsOnAnother(string hosts, bool survives)
    {
        var names = hosts.Split(' ');
        var plan = new ShardPlan(new SlicePlan(names.Length * 4_096, 4_096), names);
        foreach (var dead in names.Distinct())
        {
            var lost = Enumerable.Range(0, names.Length).Any(slice => Enumerable.Range(0, names.Length).All(m => names[m] == dead || !plan.Holds(m, slice)));
            Assert.True(!survives || !lost, $"{dead} took both copies of a slice");
        }
    }

    private static async Task<(float[][] Reduced, ReducedGradient[] Told)> Reduce(
        LaneAssignment assignment, ShardPlan plan, Transport transport, Func<int, float> bias)
    {
        var members = assignment.Ranges.Count;
        var boards = Boards(members, transport == Transport.SharedMemory);
        var servers = new List<TcpExchangeServer>();
        var links = Enumerable.Range(0, members).Select(_ => transport == Transport.Unknown
            ? [.. boards.Select(b => (IPeerLink)new InProcessLink(b))] : Serve(boards, servers)).ToArray();
        var key = new ExchangeKey(1, 1, 1, 0);
        try
        {
            var results = await Task.WhenAll(Enumerable.Range(0, members).Select(member => Task.Run(async () =>
            {
                var buffers = boards[member].CreateBuffers(s_slices, assignment.Lanes);
                boards[member].Advance(key);
                var reduced = buffers.Allocate();
                var update = new ShardedUpdate(plan, buffers.Allocate(), (_, gradient, norm, updated) =>
                {
                    Step(gradient, norm, updated);
                    updated[0] += bias(member);
                });
                var told = await new GradientExchange(boards[member], s_slices).ReduceAsync(
                    key, assignment, member, links[member], Store(assignment, member, buffers: buffers), reduced, update, CancellationToken.None);
                return (reduced.ToArray(), told);
            })));
            if (transport != Transport.Unknown)
                Assert.Contains(links.SelectMany(l => l), link => ((RemoteLink)link).Transport == transport);
            return ([.. results.Select(r => r.Item1)], [.. results.Select(r => r.told)]);
        }
        finally
        {
            foreach (var link in links.SelectMany(l => l))
                await link.DisposeAsync();
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    /// <summary>Stands for an optimizer's step.</summary>
    private static void Step(ReadOnlySpan<float> gradient, double norm, Span<float> updated)
    {
        for (var i = 0; i < gradient.Length; i++)
            updated[i] = 1 - (float)(gradient[i] / norm);
    }
}
