using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Tests.Protocol;

public class ReplicaStepMachineTests
{
    private static readonly Member s_member = new("a", "a:1");
    private static readonly RunIdentity s_identity = new("run", Fingerprint: "f");
    private static readonly CommitRecord s_start = new(0, 0, "", 0);

    [Fact]
    public void Receive_OlderGenerationOrTerm_IsNotObeyed()
    {
        var machine = Started();
        Assert.IsType<ReplicaAction.Work>(machine.Receive(Begin(2, 5, 0)).Single());
        Assert.Empty(machine.Receive(Begin(2, 5, 0)));
        Assert.Empty(machine.Receive(Begin(2, 4, 0)));
        // A coordinator of an earlier term learns that it is one.
        var presence = Assert.IsType<ReplicaAction.SendPresence>(machine.Receive(Begin(1, 9, 0)).Single()).Presence;
        Assert.Equal((2L, 5L), (presence.Term, presence.Generation));
        Assert.IsType<ReplicaAction.Work>(machine.Receive(Begin(2, 6, 0)).Single());
    }

    [Fact]
    public void Receive_CommitLost_TheNextBeginAppliesTheHeldGradient()
    {
        var machine = Started();
        var begin = Begin(1, 1, 0);
        machine.Receive(begin);
        Assert.IsType<ReplicaAction.SendReady>(machine.Reduced(begin, "g", [1, 1], 0).Single());
        // A repeated BEGIN is a question: the READY may have been lost.
        Assert.IsType<ReplicaAction.SendReady>(machine.Receive(begin).Single());
        var next = Begin(1, 2, 1, new CommitRecord(1, 1, "g", 0));
        Assert.Equal([typeof(ReplicaAction.Apply), typeof(ReplicaAction.Work)], machine.Receive(next).Select(a => a.GetType()));
        Assert.Equal(1, machine.Applied);
    }

    [Fact]
    public void Receive_CommitTwice_AppliesOnce()
    {
        var machine = ReadyAt0();
        var commit = new Commit(1, 1, new CommitRecord(1, 1, "g", 0));
        Assert.IsType<ReplicaAction.Apply>(machine.Receive(commit).Single());
        Assert.Empty(machine.Receive(commit));
    }

    [Fact]
    public void Receive_CommitOfOtherBits_QuitsAndNamesBoth()
    {
        var machine = ReadyAt0();
        var quit = Assert.IsType<ReplicaAction.Quit>(machine.Receive(new Commit(1, 1, new CommitRecord(1, 1, "other", 0))).Single());
        Assert.Contains("other", quit.Reason, StringComparison.Ordinal);
        Assert.Contains("holds g", quit.Reason, StringComparison.Ordinal);
        Assert.Empty(machine.Remind());
    }

    [Fact]
    public void Receive_BeginWithoutTheGradient_OffersItselfInsteadOfApplying()
    {
        var machine = Started();
        machine.Receive(Begin(1, 1, 0));
        var actions = machine.Receive(Begin(1, 2, 1, new CommitRecord(1, 1, "g", 0)));
        Assert.Equal([typeof(ReplicaAction.Abandon), typeof(ReplicaAction.SendJoin)], actions.Select(a => a.GetType()));
        Assert.Equal(0, machine.Applied);
    }

    [Fact]
    public void Receive_QueryWithTheOutcome_AppliesAndReportsWhereItIs()
    {
        var machine = ReadyAt0();
        var actions = machine.Receive(new Query(2, 2, new CommitRecord(1, 1, "g", 0)));
        Assert.Equal([typeof(ReplicaAction.Abandon), typeof(ReplicaAction.Apply), typeof(ReplicaAction.SendReport)], actions.Select(a => a.GetType()));
        var report = ((ReplicaAction.SendReport)actions[2]).Report;
        Assert.Equal((1L, "g", true), (report.Applied, report.Last!.GradientHash, report.Held.IsEmpty));
    }

    [Fact]
    public void Receive_QueryMidStep_ReportsTheLanesItHolds()
    {
        var machine = Started();
        var begin = Begin(1, 1, 0);
        machine.Receive(begin);
        var report = ((ReplicaAction.SendReport)machine.Receive(new Query(2, 2, s_start))[1]).Report;
        Assert.Equal((0L, new LaneRange(0, 2)), (report.Applied, report.Held));
        // The step was left: what its work comes to is not said any more.
        Assert.Empty(machine.Reduced(begin, "g", [1, 1], 0));
        Assert.Empty(machine.Lost(begin, "b", "reset"));
    }

    [Fact]
    public void Copy_OnlyTheExpectedHashCounts()
    {
        var machine = Started();
        var copy = new CopyState(1, 3, new Member("b", "b:1"), new CommitRecord(1, 5, "g", 0), "s5");
        Assert.IsType<ReplicaAction.Copy>(machine.Receive(copy).Single());
        Assert.Equal(-1, machine.Applied);
        Assert.Empty(machine.Receive(copy));
        var failed = Assert.IsType<ReplicaAction.SendCopyFailed>(machine.Copied(copy, "torn").Single()).Failed;
        Assert.Contains("torn", failed.Reason, StringComparison.Ordinal);
        Assert.Contains("s5", failed.Reason, StringComparison.Ordinal);
        var other = copy with { Donor = new Member("c", "c:1") };
        machine.Receive(other);
        Assert.Equal("s5", Assert.IsType<ReplicaAction.SendJoined>(machine.Copied(other, "s5").Single()).Joined.StateHash);
        Assert.Equal(5, machine.Applied);
        // The answer was lost: it is given again, and nothing is copied twice.
        Assert.IsType<ReplicaAction.SendJoined>(machine.Receive(other).Single());
    }

    [Fact]
    public void Evicted_OffersItself_UntilItIsAnswered()
    {
        var machine = Started();
        machine.Receive(Begin(1, 1, 0));
        var join = Assert.IsType<ReplicaAction.SendJoin>(machine.Receive(new Evicted(1, 2, s_start))[1]).Join;
        Assert.Equal((1L, 2L, 0L), (join.Term, join.Generation, join.Steps));
        Assert.IsType<ReplicaAction.SendJoin>(machine.Remind().Single());
        machine.Receive(Begin(1, 3, 0));
        Assert.IsType<ReplicaAction.SendPresence>(machine.Remind().Single());
    }

    [Fact]
    public void Lost_IsSaidAgainUntilTheGenerationEnds()
    {
        var machine = Started();
        var begin = Begin(1, 1, 0);
        machine.Receive(begin);
        Assert.Equal("b", Assert.IsType<ReplicaAction.SendPeerLost>(machine.Lost(begin, "b", "reset").Single()).Lost.Lost);
        Assert.IsType<ReplicaAction.SendPeerLost>(machine.Remind().Single());
        machine.Receive(Begin(1, 2, 0));
        Assert.IsType<ReplicaAction.SendPresence>(machine.Remind().Single());
    }

    private static ReplicaStepMachine Started()
    {
        var machine = new ReplicaStepMachine(s_member, s_identity, 0);
        Assert.IsType<ReplicaAction.SendJoin>(machine.Start().Single());
        return machine;
    }

    private static ReplicaStepMachine ReadyAt0()
    {
        var machine = Started();
        var begin = Begin(1, 1, 0);
        machine.Receive(begin);
        machine.Reduced(begin, "g", [1, 1], 0);
        return machine;
    }

    private static BeginStep Begin(long term, long generation, long step, CommitRecord? committed = null) =>
        new(term, generation, step, [s_member, new Member("b", "b:1")], LaneAssignment.Even(4, 2), committed ?? s_start);
}
