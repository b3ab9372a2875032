using System.Net;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Training;
using Orleans.Runtime;

namespace Cluster.Silo.Tests.Training;

public class BatchingTests
{
    [Fact]
    public void Take_ReadyOfOneStep_IsOneMessageAndComesBackAsSaid()
    {
        var outbox = new Outbox();
        Ready[] said =
        [
            new("a", 1, 2, 3, "g", [1.0, 2.0], 0.5, 0.1), new("b", 1, 2, 3, "g", [], 0.5), new("c", 1, 2, 3, "g", [3.0], 0.5, 0.3), new("d", 1, 2, 3, "h", [4.0], 0.5),
        ];
        foreach (var ready in said)
            outbox.Add(new ReplicaAction.SendReady(ready));
        var heard = outbox.Take();
        Assert.Equal([3, 1], heard.Ready.Select(group => group.Members.Count));
        var back = heard.Ready.SelectMany(WireMessages.ToRecords).ToArray();
        Assert.Equal(said.Select(r => (r.Member, r.GradientHash, string.Join(' ', r.Losses))), back.Select(r => (r.Member, r.GradientHash, string.Join(' ', r.Losses))));
        Assert.All(back, r => Assert.Equal((1L, 2L, 3L, 0.5), (r.Term, r.Generation, r.Step, r.GradientNorm)));
        Assert.Equal([0.1, 0, 0.3, 0], back.Select(r => r.LaneSeconds));
        Assert.True(outbox.IsEmpty);
        Assert.False(heard.SaysOnlyWhoIsThere);
    }

    [Fact]
    public void Add_SaidAgain_TakesThePlaceOfWhatWasSaid()
    {
        var outbox = new Outbox();
        for (var i = 0; i < 100; i++)
        {
            outbox.Add(CoordinatorLineTests.Ready("a", step: i));
            outbox.Add(new ReplicaAction.SendPresence(new Presence("a", 1, i)));
            outbox.Add(new ReplicaAction.SendPeerLost(new PeerLost("a", "b", 1, i, "reset")));
        }

        var heard = outbox.Take();
        Assert.Equal(99, heard.Ready.Single().Step);
        Assert.Equal(99, heard.Present.Single().Generation);
        Assert.Equal(99, heard.PeersLost.Single().Generation);
        outbox.Add(new ReplicaAction.SendPresence(new Presence("a", 1, 1)));
        Assert.True(outbox.Take().SaysOnlyWhoIsThere);
    }

    [Fact]
    public void Begin_PlanIsHere_StepsNeedItNoMore()
    {
        var held = new HeldPlan();
        var first = Begin(4, 1, 10);
        Assert.Null(held.Begin(first));
        var begun = held.Begin(first with { Plan = Plan(4, 1, 2, 1) })!;
        Assert.Equal((4L, 7L, 10L, "0+2 2+1"), (begun.Term, begun.Generation, begun.Step, begun.Assignment.ToString()));
        var next = held.Begin(Begin(4, 1, 11))!;
        Assert.Same(begun.Members, next.Members);
        Assert.Same(begun.Assignment, next.Assignment);
        // Another plan, or another coordinator's of the same number, is none that is here.
        Assert.Null(held.Begin(Begin(4, 2, 11)));
        Assert.Null(held.Begin(Begin(5, 1, 11)));
    }

    [Fact]
    public void Begin_EarlierPlanComesLate_TheLaterOneStays()
    {
        var held = new HeldPlan();
        Assert.NotNull(held.Begin(Begin(4, 2, 10) with { Plan = Plan(4, 2, 1, 2) }));
        Assert.Null(held.Begin(Begin(4, 1, 10) with { Plan = Plan(4, 1, 2, 1) }));
        Assert.Equal("0+1 1+2", held.Begin(Begin(4, 2, 11))!.Assignment.ToString());
        Assert.Equal("0+2 2+1", held.Begin(Begin(9, 1, 11) with { Plan = Plan(9, 1, 2, 1) })!.Assignment.ToString());
    }

    [Fact]
    public void ToPlan_OfAStep_IsItsMembersAndLanes()
    {
        var begin = new BeginStep(4, 7, 10, [new Member("a", "x"), new Member("b", "y")], new LaneAssignment([new LaneRange(0, 2), new LaneRange(2, 1)]), new CommitRecord(4, 10, "g", 1));
        var back = new HeldPlan().Begin(begin.ToMessage(3) with { Plan = begin.ToPlan(3) })!;
        Assert.Equal(begin.Members, back.Members);
        Assert.Equal(begin.Assignment, back.Assignment);
        Assert.Equal(begin.Committed, back.Committed);
    }

    [Fact]
    public void BySilo_MembersOfSeveral_AreTogetherByLife()
    {
        var routes = new SiloRoutes();
        Roster members = [On("s1", 1, 0), On("s2", 1, 0), On("s1", 1, 3), On("s1", 2, 1)];
        var groups = routes.BySilo(members);
        Assert.Equal(["s1: 0 3", "s2: 0", "s1: 1"], groups.Select(g => $"{g.Name}: {string.Join(' ', g.Slots)}"));
        Assert.Equal(3, groups.Select(g => g.Silo).Distinct().Count());
        Assert.Equal(members.Select(m => m.Id).Order(), groups.SelectMany(g => g.Ids).Order());
        Assert.Same(groups, routes.BySilo(members));
        Assert.Equal(groups[1].Silo, routes.SiloOf(members[1]));

        static Member On(string silo, int life, int slot) => new(
            ReplicaKey.MemberId(new ReplicaKey("run/stage", silo, slot).ToString(), 7),
            new ReplicaAddress("1.2.3.4:5", "1.2.3.4:6", SiloAddress.New(new IPEndPoint(IPAddress.Loopback, silo == "s1" ? 1 : 2), life)).ToString());
    }

    private static BeginStepMessage Begin(long term, long plan, long step) => new(term, 7, step, new OutcomeMessage(term, "g", new StepResult(step, 1, 1)), plan, null);

    private static PlanMessage Plan(long term, long number, params int[] lanes) =>
        new(term, number, [.. lanes.Select((_, i) => new MemberMessage($"r{i}", "x"))], lanes);
}
