using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Tests.Protocol;

public class StepCoordinatorTests
{
    private static readonly RunIdentity s_identity = new("run", "1.0", "recipe-a", "6x256", "f1");
    private static readonly CommitRecord s_start = new(0, 0, "", 0);

    [Fact]
    public void StartJob_BeforeTheTermIsStored_SaysNothing()
    {
        var coordinator = new StepCoordinator(7);
        var store = Assert.IsType<CoordinatorAction.Store>(Start(coordinator, 1).Single());
        Assert.Equal(1, Term.Count(store.Record.Term));
        Assert.Empty(coordinator.Receive(Join("a")));
        Assert.Empty(coordinator.Remind());
        Assert.Empty(coordinator.Stored());
        Assert.Equal(["a"], Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Join("a")).Single()).Record.Members.Select(m => m.Id));
        var begin = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored().Single()).Begin;
        Assert.Equal((store.Record.Term, 1L, 0L, 4), (begin.Term, begin.Generation, begin.Step, begin.Assignment[0].Count));
    }

    [Fact]
    public void Ready_FromAll_StoresThenBeginsTheNextStep()
    {
        var (coordinator, begin) = Begun("b", "a");
        Assert.Equal(["a", "b"], begin.Members.Select(m => m.Id));
        Assert.Empty(coordinator.Receive(Ready(begin, "a", 2)));
        Assert.Empty(coordinator.Receive(Ready(begin, "a", 2)));
        var record = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "b", 2)).Single()).Record;
        Assert.Equal((1L, "g"), (record.Committed.Steps, record.Committed.GradientHash));
        Assert.Equal(4.0, record.Committed.Loss);
        var actions = coordinator.Stored();
        Assert.Equal(1, Assert.IsType<CoordinatorAction.Committed>(actions[0]).Record.Steps);
        var next = Assert.IsType<CoordinatorAction.SendBegin>(actions[1]).Begin;
        Assert.Equal((1L, begin.Generation, record.Committed), (next.Step, next.Generation, next.Committed));
    }

    [Fact]
    public void Ready_OtherBits_StopsWithBothHashesOnceTheStoreAgrees()
    {
        var (coordinator, begin) = Begun("a", "b");
        coordinator.Receive(Ready(begin, "a", 2));
        var store = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "b", 2) with { GradientHash = "other" }).Single());
        Assert.NotNull(store.Record.Stopped);
        var stop = Assert.IsType<CoordinatorAction.Stop>(coordinator.Stored().Single());
        Assert.Contains("gradient g and", stop.Reason, StringComparison.Ordinal);
        Assert.Contains("other", stop.Reason, StringComparison.Ordinal);
        Assert.Contains("equal inputs gave unequal bits", stop.Reason, StringComparison.Ordinal);
        Assert.Empty(coordinator.Receive(Ready(begin, "a", 2)));
        Assert.IsType<CoordinatorAction.Stop>(new StepCoordinator(8).TakeOver(store.Record).Single());
    }

    [Theory]
    [InlineData("version", "1.0", "2.0")]
    [InlineData("recipe", "recipe-a", "recipe-b")]
    [InlineData("model shape", "6x256", "12x768")]
    [InlineData("fingerprint", "f1", "f2")]
    [InlineData("run", "run", "run2")]
    public void Join_SomethingDiffers_RefusedWithBothValuesAndTheOthersBegin(string what, string ours, string theirs)
    {
        var coordinator = new StepCoordinator(1);
        Start(coordinator, 2);
        coordinator.Stored();
        coordinator.Receive(Join("a"));
        var other = what switch
        {
            "version" => s_identity with { Version = theirs },
            "recipe" => s_identity with { Recipe = theirs },
            "model shape" => s_identity with { Model = theirs },
            "fingerprint" => s_identity with { Fingerprint = theirs },
            _ => s_identity with { Run = theirs },
        };
        var actions = coordinator.Receive(Join("b") with { Identity = other });
        var reason = Assert.IsType<CoordinatorAction.Refuse>(actions[0]).Reason;
        Assert.All([what, ours, theirs], text => Assert.Contains(text, reason, StringComparison.Ordinal));
        Assert.Equal(["a"], Assert.IsType<CoordinatorAction.Store>(actions[1]).Record.Members.Select(m => m.Id));
    }

    [Fact]
    public void Join_StarterOfAnotherState_RefusedWithBothHashes()
    {
        var coordinator = new StepCoordinator(1);
        Start(coordinator, 2);
        coordinator.Stored();
        coordinator.Receive(Join("a"));
        var reason = Assert.IsType<CoordinatorAction.Refuse>(coordinator.Receive(Join("b") with { StateHash = "s-other" })[0]).Reason;
        Assert.Contains("s-other", reason, StringComparison.Ordinal);
        Assert.Contains("s0", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void GiveUpWaiting_OneOfTwoStarters_BeginsWithOne()
    {
        var coordinator = new StepCoordinator(1);
        Start(coordinator, 2);
        coordinator.Stored();
        Assert.Empty(coordinator.GiveUpWaiting());
        Assert.Empty(coordinator.Receive(Join("a")));
        Assert.IsType<CoordinatorAction.Store>(coordinator.GiveUpWaiting().Single());
        Assert.Equal(["a"], Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored().Single()).To.Select(m => m.Id));
    }

    [Fact]
    public void PeerLost_EvictsAndProbes_AndOnlyTheMembershipMakesItDead()
    {
        var (coordinator, begin) = Begun("a", "b", "c");
        var lost = new PeerLost("a", "b", begin.Term, begin.Generation, "reset");
        var actions = coordinator.Receive(lost);
        Assert.Equal("b", Assert.IsType<CoordinatorAction.Probe>(actions[0]).Member.Id);
        var again = Assert.IsType<CoordinatorAction.SendBegin>(actions[1]).Begin;
        Assert.Equal((begin.Step, begin.Generation + 1), (again.Step, again.Generation));
        Assert.Equal("0+3 3+1", again.Assignment.ToString());
        Assert.Equal(1, coordinator.LostLanes);
        // The other end of the same broken connection is of an older generation by now: nobody shoots back.
        Assert.All(coordinator.Receive(lost with { Reporter = "b", Lost = "a" }), a => Assert.IsType<CoordinatorAction.SendEvicted>(a));
        Assert.IsType<CoordinatorAction.SendEvicted>(coordinator.ProbeAnswered("b").Single());
        Assert.Equal("b", Assert.IsType<CoordinatorAction.DeclareDead>(coordinator.ProbeFailed("b", "time-out").Single()).Member.Id);
        Assert.Empty(coordinator.Lose("b", "declared dead"));
        Assert.Empty(coordinator.ProbeAnswered("b"));
    }

    [Fact]
    public void Stalled_TheOnlyMember_IsProbedButKept()
    {
        var (coordinator, _) = Begun("a");
        Assert.IsType<CoordinatorAction.Probe>(coordinator.Stalled("a").Single());
        Assert.Equal(["a"], coordinator.Members.Select(m => m.Id));
    }

    [Fact]
    public void Lose_WhileTheOutcomeIsBeingStored_KeepsTheCommit()
    {
        var (coordinator, begin) = Begun("a", "b");
        coordinator.Receive(Ready(begin, "a", 2));
        coordinator.Receive(Ready(begin, "b", 2));
        Assert.Empty(coordinator.Lose("b", "killed"));
        var next = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored()[1]).Begin;
        Assert.Equal((1L, begin.Generation + 1, "a"), (next.Step, next.Generation, next.Members.Single().Id));
        Assert.Equal(0, coordinator.LostLanes);
    }

    [Fact]
    public void Lose_Everyone_StopsOnceTheStoreAgrees()
    {
        var (coordinator, _) = Begun("a");
        var store = Assert.IsType<CoordinatorAction.Store>(coordinator.Lose("a", "killed").Single());
        Assert.Contains("Every replica is lost", store.Record.Stopped, StringComparison.Ordinal);
        Assert.IsType<CoordinatorAction.Deactivate>(coordinator.StoreConflict("somebody else").Single());
    }

    [Fact]
    public void Lose_SeveralAtOnce_OneGenerationInWhichTheOthersKeepTheirLanes()
    {
        var (coordinator, begin) = Begun("a", "b", "c", "d");
        coordinator.Receive(Ready(begin, "b", 1));
        var again = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Lose(["b", "nobody", "c", "b"], "their silo is dead").Single()).Begin;
        Assert.Equal((begin.Step, begin.Generation + 1, "0+2 2+2"), (again.Step, again.Generation, again.Assignment.ToString()));
        Assert.Equal(["a", "d"], again.Members.Select(m => m.Id));
        Assert.Equal(2, coordinator.LostLanes);
        coordinator.Receive(Ready(again, "a", 2));
        Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(again, "d", 2)).Single());
    }

    [Fact]
    public void Lose_AllOfManyAtOnce_Stops()
    {
        var names = Enumerable.Range(0, 40).Select(i => $"r{i:00}").ToArray();
        var (coordinator, _) = Begun(names);
        Assert.Contains("Every replica is lost", Assert.IsType<CoordinatorAction.Store>(coordinator.Lose(names, "killed").Single()).Record.Stopped, StringComparison.Ordinal);
    }

    [Fact]
    public void Ready_AgainWithOtherBits_StopsThoughItWasTheFirst()
    {
        var (coordinator, begin) = Begun("a", "b", "c");
        coordinator.Receive(Ready(begin, "a", 2));
        Assert.Empty(coordinator.Receive(Ready(begin, "a", 2) with { GradientHash = "second thoughts" }));
        coordinator.Receive(Ready(begin, "a", 2));
        coordinator.Receive(Ready(begin, "b", 1));
        var store = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "a", 2) with { GradientHash = "other" }).Single());
        Assert.Contains("replica b has gradient g and replica a has other", store.Record.Stopped, StringComparison.Ordinal);
    }

    [Fact]
    public void Begin_NobodyCameOrLeft_SaysTheSameMembersAndLanes()
    {
        var (coordinator, begin) = Begun("a", "b", "c");
        var next = Step(coordinator, begin);
        Assert.Same(begin.Members, next.Members);
        Assert.Same(begin.Assignment, next.Assignment);
        var without = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Lose("b", "killed").Single()).Begin;
        Assert.Equal("0+3 3+1", without.Assignment.ToString());
        // The lanes of the dead were divided for the step at hand; the next one is divided evenly, in the same generation.
        var even = Step(coordinator, without);
        Assert.Equal((without.Generation, "0+2 2+2"), (even.Generation, even.Assignment.ToString()));
        Assert.Same(without.Members, even.Members);
        Assert.Same(even.Assignment, Step(coordinator, even).Assignment);
    }

    [Fact]
    public void Begin_AMemberIsSlow_OtherLanesInTheSameGenerationFromTheNextStepOn()
    {
        var balance = new LaneBalance(new LaneBalanceOptions { Window = 1, Persistence = 2, Rest = 0 });
        var (coordinator, begin) = Begun(8, balance, "a", "b");
        Assert.Equal("0+4 4+4", begin.Assignment.ToString());

        // The one that is slow has the fewer lanes as soon as that was so twice; then it recovers.
        var lanes = new List<string>();
        for (var step = 1; step < 9; step++)
        {
            var next = Step(coordinator, begin, id => id == "b" && step <= 4 ? 2 : 1);
            Assert.Equal((begin.Generation, begin.Step + 1), (next.Generation, next.Step));
            Assert.Same(begin.Members, next.Members);
            if (next.Assignment.Equals(begin.Assignment))
                Assert.Same(begin.Assignment, next.Assignment);
            lanes.Add(next.Assignment.ToString());
            begin = next;
        }

        Assert.Equal(["0+4 4+4", "0+5 5+3", "0+5 5+3", "0+5 5+3", "0+5 5+3", "0+4 4+4", "0+4 4+4", "0+4 4+4"], lanes);
        Assert.Equal((2, 2, 0), (balance.Changes, balance.MovedLanes, coordinator.LostLanes));
    }

    [Fact]
    public void Ready_OfTheLanesBefore_StopsTheRun()
    {
        var (coordinator, begin) = Begun(8, new LaneBalance(new LaneBalanceOptions { Window = 1, Persistence = 1 }), "a", "b");
        begin = Step(coordinator, begin, id => id == "b" ? 2 : 1);
        Assert.Equal("0+5 5+3", begin.Assignment.ToString());
        var store = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "b", 4)).Single());
        Assert.Contains("reports 4 lanes at step 1; 3 are its own", store.Record.Stopped, StringComparison.Ordinal);
    }

    [Fact]
    public void Lose_TheOthersSpeedsAreKnown_SurvivorsKeepTheirLanesThenDivideBySpeed()
    {
        var (coordinator, begin) = Begun(8, new LaneBalance(new LaneBalanceOptions { Window = 1, Persistence = 1 }), "a", "b", "c");
        begin = Step(coordinator, begin, id => id == "b" ? 3 : 1);
        Assert.Equal("0+4 4+1 5+3", begin.Assignment.ToString());
        begin = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Lose("c", "killed").Single()).Begin;
        Assert.Equal("0+4 4+4", begin.Assignment.ToString());
        Assert.Equal("0+6 6+2", Step(coordinator, begin, _ => 0).Assignment.ToString());
    }

    [Fact]
    public void Steps_OfManyWhoComeAndGo_EveryLaneOnceAndEveryoneStored()
    {
        var names = Enumerable.Range(0, 50).Select(i => $"r{i:00}").ToArray();
        var coordinator = new StepCoordinator(7);
        coordinator.StartJob(null, s_identity with { Fingerprint = "" }, 200, names.Length, s_start, 20);
        coordinator.Stored();
        var store = names.SelectMany(name => coordinator.Receive(Join(name))).OfType<CoordinatorAction.Store>().Single();
        var begin = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored().Single()).Begin;
        Assert.Equal(names, store.Record.Members.Select(m => m.Id));
        begin = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Lose(names[10..20], "killed").Single()).Begin;
        Assert.Equal((40, 200, 40L), (begin.Members.Count, begin.Assignment.Lanes, coordinator.LostLanes));
        begin = Step(coordinator, begin);
        Assert.All(begin.Members, member => Assert.Equal(5, begin.Assignment[begin.Members.PlaceOf(member.Id)].Count));
        Assert.Equal(-1, begin.Members.PlaceOf(names[10]));
    }

    [Fact]
    public void Stored_UnknownOutcome_ReadTellsWhetherItHappened()
    {
        var (coordinator, begin) = Begun("a");
        var record = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "a", 4)).Single()).Record;
        Assert.IsType<CoordinatorAction.ReadStore>(coordinator.StoreUnavailable("time-out").Single());
        Assert.True(coordinator.StoreIsOut);
        Assert.IsType<CoordinatorAction.ReadStore>(coordinator.StoreUnavailable("time-out").Single());
        // It did not happen: what was there before is still there.
        var before = record with { Revision = record.Revision - 1, Committed = s_start };
        Assert.Same(record, Assert.IsType<CoordinatorAction.Store>(coordinator.StoreRead(before).Single()).Record);
        coordinator.StoreUnavailable("time-out");
        Assert.IsType<CoordinatorAction.Committed>(coordinator.StoreRead(record with { })[0]);
    }

    [Fact]
    public void StoreRead_AnotherActivationsRecord_GoesSilent()
    {
        var (coordinator, begin) = Begun("a");
        var record = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "a", 4)).Single()).Record;
        coordinator.StoreUnavailable("time-out");
        Assert.IsType<CoordinatorAction.Deactivate>(coordinator.StoreRead(record with { Term = Term.Next(record.Term, 1) }).Single());
        Assert.Empty(coordinator.Receive(Ready(begin, "a", 4)));
        Assert.Empty(coordinator.Remind());
    }

    [Fact]
    public void StoreRead_OlderRecordThanKnown_GoesSilentRatherThanOverwriting()
    {
        // The store has lost writes; whoever went on from what was left may have a lower term than this activation's.
        var (coordinator, begin) = Begun("a");
        var record = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "a", 4)).Single()).Record;
        coordinator.StoreUnavailable("time-out");
        Assert.IsType<CoordinatorAction.Deactivate>(coordinator.StoreRead(record with { Term = record.Term - 1, Revision = record.Revision + 5 }).Single());
    }

    [Fact]
    public void StoreRead_Empty_StopsAndRecreatesNothing()
    {
        var (coordinator, begin) = Begun("a");
        coordinator.Receive(Ready(begin, "a", 4));
        coordinator.StoreUnavailable("connection refused");
        Assert.Contains("empty", Assert.IsType<CoordinatorAction.Stop>(coordinator.StoreRead(null).Single()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Presence_NewActivationOfAnEmptyStore_ReadsAgainThenStops()
    {
        var coordinator = new StepCoordinator(1);
        Assert.Empty(coordinator.Receive(new Presence("a", 0, 0)));
        Assert.IsType<CoordinatorAction.ReadStore>(coordinator.Receive(new Presence("a", Term.Next(0, 1), 1)).Single());
        Assert.IsType<CoordinatorAction.Stop>(coordinator.StoreRead(null).Single());
    }

    [Fact]
    public void TakeOver_MidStep_KeepsTheLanesThatAreHeld()
    {
        var (old, begin) = Begun("a", "b", "c");
        var record = Record(old, begin);
        var (coordinator, query) = TakenOver(record);
        Assert.True(query.Term > begin.Term);
        Assert.Equal(["a", "b", "c"], coordinator.Awaited.Order());
        Assert.Empty(coordinator.Receive(Report("a", query, 0, new LaneRange(0, 2))));
        Assert.Empty(coordinator.Lose("b", "its silo hosted the coordinator too"));
        var again = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Receive(Report("c", query, 0, new LaneRange(3, 1))).Single()).Begin;
        Assert.Equal((0L, query.Term, "0+3 3+1"), (again.Step, again.Term, again.Assignment.ToString()));
        Assert.Equal(1, coordinator.LostLanes);
    }

    [Fact]
    public void TakeOver_StoreBehindTheReplicas_IsBroughtToWhereTheyAgree()
    {
        var (old, begin) = Begun("a", "b");
        var (coordinator, query) = TakenOver(Record(old, begin));
        var ahead = new CommitRecord(begin.Term, 1, "g", 4);
        coordinator.Receive(Report("a", query, 1, default) with { Last = ahead, StateHash = "s1" });
        var actions = coordinator.Receive(Report("b", query, 0, new LaneRange(2, 2)));
        Assert.Equal(ahead, Assert.IsType<CoordinatorAction.Committed>(actions[0]).Record);
        Assert.Equal(ahead, Assert.IsType<CoordinatorAction.Store>(actions[1]).Record.Committed);
        // b holds the gradient: asked again, with the outcome, it catches up.
        var again = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored().Single()).Query;
        Assert.Equal((ahead, query.Generation + 1), (again.Committed, again.Generation));
        coordinator.Receive(Report("a", again, 1, default) with { Last = ahead, StateHash = "s1" });
        var next = coordinator.Receive(Report("b", again, 1, default) with { Last = ahead, StateHash = "s1" });
        Assert.Equal(1, Assert.IsType<CoordinatorAction.SendBegin>(next.Single()).Begin.Step);
    }

    [Fact]
    public void TakeOver_StoreBehindAndReplicasDisagree_StopsAndNamesBoth()
    {
        var (old, begin) = Begun("a", "b");
        var (coordinator, query) = TakenOver(Record(old, begin));
        coordinator.Receive(Report("a", query, 1, default) with { Last = new CommitRecord(1, 1, "g", 0), StateHash = "s1" });
        coordinator.Receive(Report("b", query, 1, default) with { Last = new CommitRecord(1, 1, "g", 0), StateHash = "t1" });
        var stop = Assert.IsType<CoordinatorAction.Stop>(coordinator.Stored().Single());
        Assert.All(["a", "s1", "b", "t1"], text => Assert.Contains(text, stop.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public void Join_MemberAheadOfTheStore_EveryoneIsAskedAndTheStoreFollows()
    {
        var (coordinator, begin) = Begun("a");
        var ahead = Join("a") with { Steps = 1, StateHash = "s1", Term = begin.Term, Generation = begin.Generation };
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Receive(ahead).Single()).Query;
        var outcome = new CommitRecord(begin.Term, 1, "g", 4);
        var actions = coordinator.Receive(Report("a", query, 1, default) with { Last = outcome });
        Assert.Equal(outcome, Assert.IsType<CoordinatorAction.Store>(actions[1]).Record.Committed);
    }

    [Fact]
    public void TakeOver_ReplicaKnowsALaterTerm_TakesAHigherOneStill()
    {
        var (old, begin) = Begun("a");
        var (coordinator, query) = TakenOver(Record(old, begin));
        var later = Term.Next(query.Term, 99);
        var store = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(new Presence("a", later, 1)).Single());
        Assert.True(store.Record.Term > later);
        Assert.Equal(store.Record.Term, Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored().Single()).Query.Term);
    }

    [Fact]
    public void Join_MidRun_CopiesAtTheNextBoundaryAndUpdatesWait()
    {
        var (coordinator, begin) = Begun("a", "b");
        Assert.Empty(coordinator.Receive(Join("n")));
        coordinator.Receive(Ready(begin, "a", 2));
        var record = Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Ready(begin, "b", 2)).Single()).Record;
        Assert.Equal(["a", "b", "n"], record.Members.Select(m => m.Id));
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored()[1]).Query;
        Assert.True(coordinator.TakingIn);
        coordinator.Receive(Report("a", query, 1, default) with { StateHash = "s1" });
        var copy = Assert.IsType<CoordinatorAction.SendCopy>(coordinator.Receive(Report("b", query, 1, default) with { StateHash = "s1" }).Single());
        Assert.Equal(("n", "b", 1L, "s1"), (copy.To.Id, copy.Copy.Donor.Id, copy.Copy.Committed.Steps, copy.Copy.StateHash));
        Assert.Equal(["n"], coordinator.Awaited);
        // The donor dies: another one. What is not the agreed state does not count.
        var second = Assert.IsType<CoordinatorAction.SendCopy>(coordinator.Lose("b", "killed").Single());
        Assert.Equal("a", second.Copy.Donor.Id);
        Assert.Empty(coordinator.Receive(new Joined("n", copy.Copy.Term, 1, "wrong")));
        var next = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Receive(new Joined("n", copy.Copy.Term, 1, "s1")).Single()).Begin;
        Assert.Equal(["a", "n"], next.Members.Select(m => m.Id));
        Assert.Equal((1L, 1L), (coordinator.JoinedReplicas, coordinator.StalledSteps));
        Assert.False(coordinator.TakingIn);
    }

    [Fact]
    public void Join_MembersDisagreeAtTheBoundary_StopsAndNamesBoth()
    {
        var (coordinator, begin) = Begun("a", "b");
        coordinator.Receive(Join("n"));
        coordinator.Receive(Ready(begin, "a", 2));
        coordinator.Receive(Ready(begin, "b", 2));
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored()[1]).Query;
        coordinator.Receive(Report("a", query, 1, default) with { StateHash = "s1" });
        coordinator.Receive(Report("b", query, 1, default) with { StateHash = "t1" });
        var stop = Assert.IsType<CoordinatorAction.Stop>(coordinator.Stored().Single());
        Assert.All(["a", "s1", "b", "t1"], text => Assert.Contains(text, stop.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public void Drain_AtTheNextBoundary_LosesNoLanes()
    {
        var (coordinator, begin) = Begun("a", "b");
        Assert.Empty(coordinator.Drain("a"));
        Assert.IsType<CoordinatorAction.DrainRefused>(coordinator.Drain("b").Single());
        coordinator.Receive(Ready(begin, "a", 2));
        coordinator.Receive(Ready(begin, "b", 2));
        var actions = coordinator.Stored();
        Assert.Equal("a", Assert.IsType<CoordinatorAction.Released>(actions[1]).Member);
        var next = Assert.IsType<CoordinatorAction.SendBegin>(actions[2]).Begin;
        Assert.Equal((begin.Generation + 1, "b", 4), (next.Generation, next.Members.Single().Id, next.Assignment[0].Count));
        Assert.Equal(0, coordinator.LostLanes);
        Assert.Contains("last", Assert.IsType<CoordinatorAction.DrainRefused>(coordinator.Drain("b").Single()).Reason, StringComparison.Ordinal);
        Assert.IsType<CoordinatorAction.Released>(coordinator.Drain("a").Single());
    }

    [Fact]
    public void Halt_JoinAndDrainAtRest_WorkBeforeContinue()
    {
        var (coordinator, begin) = Begun("a", "b");
        Assert.Empty(coordinator.Halt());
        coordinator.Receive(Ready(begin, "a", 2));
        coordinator.Receive(Ready(begin, "b", 2));
        var rest = coordinator.Stored();
        Assert.Equal(["Committed", "SendCommit", "Finished"], rest.Select(a => a.GetType().Name));
        Assert.True(coordinator.Resting);
        Assert.IsType<CoordinatorAction.Store>(coordinator.Receive(Join("n")).Single());
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored().Single()).Query;
        coordinator.Receive(Report("a", query, 1, default) with { StateHash = "s1" });
        var copy = Assert.IsType<CoordinatorAction.SendCopy>(coordinator.Receive(Report("b", query, 1, default) with { StateHash = "s1" }).Single()).Copy;
        Assert.Empty(coordinator.Receive(new Joined("n", copy.Term, 1, "s1")));
        Assert.IsType<CoordinatorAction.Released>(coordinator.Drain("a").Single());
        // How far to go is durable before anyone goes there.
        var actions = coordinator.Continue(30);
        if (actions.Count == 1 && actions[0] is CoordinatorAction.Store)
            actions = coordinator.Stored();
        Assert.Equal(["b", "n"], Assert.IsType<CoordinatorAction.SendBegin>(actions.Single()).To.Select(m => m.Id));
        Assert.Empty(coordinator.Continue(30));
    }

    [Fact]
    public void Join_MoreReplicasThanLanes_TheLastIdle()
    {
        var (_, begin) = Begun("a", "b", "c", "d", "e");
        Assert.Equal([1, 1, 1, 1, 0], begin.Assignment.Ranges.Select(r => r.Count));
    }

    [Theory]
    [InlineData("0-1 1-1", null)]
    [InlineData("0-1 0-1", "nobody who lives holds the moments of 1 of 2 slices")]
    public void MomentsMissing_EveryoneIsAskedAndTheRunEndsOnlyIfNobodyHoldsThem(string held, string? stopped)
    {
        var (coordinator, begin) = Begun(sharded: true, "a", "b", "c");
        var again = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Lose("c", "killed").Single()).Begin;
        var missing = new MomentsMissing("a", again.Term, again.Generation, again.Step, 1);
        Assert.DoesNotContain(coordinator.Receive(missing with { Generation = begin.Generation }), a => a is CoordinatorAction.SendQuery);
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Receive(missing).Single());
        Assert.Equal(["a", "b"], query.To.Select(m => m.Id).Order());
        HeldMoments[] moments = [.. held.Split(' ').Select(range => range.Split('-')).Select(r => new HeldMoments(2, [(int.Parse(r[0]), int.Parse(r[1]))]))];
        coordinator.Receive(Report("a", query.Query, 0, new LaneRange(0, 2)) with { Moments = moments[0] });
        var actions = coordinator.Receive(Report("b", query.Query, 0, new LaneRange(2, 1)) with { Moments = moments[1] });

        if (stopped is null)
        {
            var next = Assert.IsType<CoordinatorAction.SendBegin>(actions.Single()).Begin;
            Assert.Equal(2, next.Members.Count);
            return;
        }

        var record = Assert.IsType<CoordinatorAction.Store>(actions.Single()).Record;
        Assert.True(record.MomentsLost);
        var stop = Assert.IsType<CoordinatorAction.Stop>(coordinator.Stored().Single());
        Assert.Contains(stopped, stop.Reason, StringComparison.Ordinal);
        Assert.True(stop.MomentsLost);
        // Who takes over after that knows it too.
        Assert.Equal(stop, new StepCoordinator(9).TakeOver(record).Single());
    }

    [Fact]
    public void MomentsMissing_OneWhoWasEvictedMayHoldThem_IsWaitedFor()
    {
        var (coordinator, begin) = Begun(sharded: true, "a", "b", "c");
        var again = coordinator.Receive(new PeerLost("a", "c", begin.Term, begin.Generation, "reset")).OfType<CoordinatorAction.SendBegin>().Single().Begin;
        var query = Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Receive(new MomentsMissing("b", again.Term, again.Generation, 0, 0)).Single());
        Assert.Equal(["a", "b", "c"], query.To.Select(m => m.Id).Order());
        coordinator.Receive(Report("a", query.Query, 0, default) with { Moments = new HeldMoments(2, [(1, 1)]) });
        coordinator.Receive(Report("b", query.Query, 0, default) with { Moments = new HeldMoments(2, [(1, 1)]) });
        // It shows no sign: it is probed and asked again, for only its death would prove that the moments are lost.
        var asked = coordinator.Stalled("c");
        Assert.Contains(asked, a => a is CoordinatorAction.Probe);
        Assert.DoesNotContain(asked, a => a is CoordinatorAction.Store or CoordinatorAction.Stop);
        query = asked.OfType<CoordinatorAction.SendQuery>().Single();
        Assert.Contains("c", query.To.Select(m => m.Id));
        coordinator.Receive(Report("a", query.Query, 0, default) with { Moments = new HeldMoments(2, [(1, 1)]) });
        coordinator.Receive(Report("b", query.Query, 0, default) with { Moments = new HeldMoments(2, [(1, 1)]) });
        var actions = coordinator.Receive(Report("c", query.Query, 0, default) with { Moments = new HeldMoments(2, [(0, 1)]) });
        Assert.Equal(3, Assert.IsType<CoordinatorAction.SendBegin>(actions.Single()).Begin.Members.Count);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public void Drain_TwoAtOnce_ShardedLeaveOneByOne(bool sharded, int boundaries)
    {
        var (coordinator, begin) = Begun(sharded, "a", "b", "c", "d");
        coordinator.Drain("b");
        coordinator.Drain("c");
        for (var step = 1; step <= boundaries; step++)
        {
            var before = begin.Members.Count;
            begin = Step(coordinator, begin);
            Assert.Equal(sharded ? before - 1 : 2, begin.Members.Count);
        }

        Assert.Equal(["a", "d"], begin.Members.Select(m => m.Id));
    }

    private static IReadOnlyList<CoordinatorAction> Start(StepCoordinator coordinator, int starters, int lanes = 4, bool sharded = false) =>
        coordinator.StartJob(null, s_identity with { Fingerprint = "" }, lanes, starters, s_start, 20, sharded);

    private static Join Join(string id) => new(new Member(id, $"{id}:1"), 0, "s0", s_identity);

    private static Ready Ready(BeginStep begin, string id, int lanes) =>
        new(id, begin.Term, begin.Generation, begin.Step, "g", [.. Enumerable.Repeat(1.0, lanes)]);

    /// <summary>Commits a step and gives the next one.</summary>
    private static BeginStep Step(StepCoordinator coordinator, BeginStep begin, Func<string, double>? laneSeconds = null)
    {
        foreach (var (member, place) in begin.Members.Select((member, place) => (member, place)))
            coordinator.Receive(Ready(begin, member.Id, begin.Assignment[place].Count) with { LaneSeconds = laneSeconds?.Invoke(member.Id) ?? 0 });
        return Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored()[^1]).Begin;
    }

    private static Report Report(string id, Query query, long applied, LaneRange held) =>
        new(new Member(id, $"{id}:1"), query.Term, query.Generation, applied, applied == 0 ? null : query.Committed, held, $"s{applied}");

    private static CoordinatorRecord Record(StepCoordinator coordinator, BeginStep begin) => new(
        s_identity, begin.Term, 2, begin.Generation, 4, begin.Members.Count, begin.Members, coordinator.Committed, 20, 0);

    private static (StepCoordinator Coordinator, BeginStep Begin) Begun(params string[] members) => Begun(4, null, members);

    private static (StepCoordinator Coordinator, BeginStep Begin) Begun(bool sharded, params string[] members) => Begun(4, null, sharded, members);

    private static (StepCoordinator Coordinator, BeginStep Begin) Begun(int lanes, LaneBalance? balance, params string[] members) => Begun(lanes, balance, false, members);

    private static (StepCoordinator Coordinator, BeginStep Begin) Begun(int lanes, LaneBalance? balance, bool sharded, params string[] members)
    {
        var coordinator = new StepCoordinator(7, balance);
        Start(coordinator, members.Length, lanes, sharded);
        coordinator.Stored();
        foreach (var member in members)
            coordinator.Receive(Join(member));
        return (coordinator, Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Stored().Single()).Begin);
    }

    private static (StepCoordinator Coordinator, Query Query) TakenOver(CoordinatorRecord record)
    {
        var coordinator = new StepCoordinator(3);
        Assert.IsType<CoordinatorAction.Store>(coordinator.TakeOver(record).Single());
        return (coordinator, Assert.IsType<CoordinatorAction.SendQuery>(coordinator.Stored().Single()).Query);
    }
}
