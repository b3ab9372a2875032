using Cluster.Core.Faults;
using Cluster.Silo.Faults;

namespace Cluster.Silo.Tests.Faults;

public class LedgerReportTests
{
    private static readonly Fault s_kill = new(FaultKind.Kill, StepPhase.Reduce, 1);

    [Fact]
    public void Of_NothingHappened_EveryLaneOnce()
    {
        var report = LedgerReport.Of(Undisturbed(), steps: 3, lanes: 2);

        Assert.Equal((6, 0, 0, 0), (report.LanesComputed, report.LanesLost, report.SamplesLost, report.SamplesRepeated));
        Assert.Empty(report.Faults);
        Assert.Equal((1.0, 1.0), (report.StepSeconds, report.Goodput));
    }

    [Fact]
    public void Of_ReplicaKilledBeforeCommit_ItsLaneIsLostAndComputedAgain()
    {
        // b dies in step 1 with its lane computed; a computes that lane again.
        List<LedgerEntry> entries = [.. Undisturbed().Where(e => e.Member == "a" || e.Step == 0), Computed("b", 1, 1, 1.1), Computed("a", 1, 1, 3), Computed("a", 2, 1, 4),
            new(LedgerEvent.Fault, 1.25, "run", "b", 1, Fault: s_kill)];

        var report = LedgerReport.Of(entries, steps: 3, lanes: 2);

        Assert.Equal((7, 1, 0, 0), (report.LanesComputed, report.LanesLost, report.SamplesLost, report.SamplesRepeated));
        Assert.Equal(new InjectedFault(s_kill, "b", 1, 0.25), Assert.Single(report.Faults));
    }

    [Fact]
    public void Of_ReplicaKilledAfterCommit_NothingIsLostAndTheNextStepIsWaitedFor()
    {
        var fault = s_kill with { Phase = StepPhase.Commit };
        List<LedgerEntry> entries = [.. Undisturbed().Where(e => e.Member == "a" || e.Step == 0), Computed("b", 1, 1, 1.1), Computed("a", 2, 1, 2.1),
            new(LedgerEvent.Fault, 1.25, "run", "b", 1, Fault: fault)];

        var report = LedgerReport.Of(entries, steps: 3, lanes: 2);

        Assert.Equal((6, 0, 0, 0), (report.LanesComputed, report.LanesLost, report.SamplesLost, report.SamplesRepeated));
        Assert.Equal(1.25, Assert.Single(report.Faults).RecoverySeconds);
    }

    [Fact]
    public void Of_LaneComputedByNobody_IsASampleLost() =>
        Assert.Equal(1, LedgerReport.Of([.. Undisturbed().Where(e => e is not { Event: LedgerEvent.Computed, Step: 2, Lane: 1 })], 3, 2).SamplesLost);

    [Fact]
    public void Of_TwoSurvivorsComputedOneLane_IsASampleRepeated() =>
        Assert.Equal(1, LedgerReport.Of([.. Undisturbed(), Computed("a", 2, 1, 2)], 3, 2).SamplesRepeated);

    [Fact]
    public void Of_StepAppliedTwice_IsASampleRepeated() =>
        Assert.Equal(1, LedgerReport.Of([.. Undisturbed(), new(LedgerEvent.Applied, 9, "run", "a", 2)], 3, 2).SamplesRepeated);

    [Fact]
    public void Of_NoCommitAfterTheFault_HasNoRecovery() =>
        Assert.Null(Assert.Single(LedgerReport.Of([.. Undisturbed(), new(LedgerEvent.Fault, 2.9, "run", "b", 2, Fault: s_kill with { Phase = StepPhase.Apply })], 3, 2).Faults)
            .RecoverySeconds);

    /// <summary>Replicas a and b, a lane each, three steps; step s is committed at s + 0.5.</summary>
    private static List<LedgerEntry> Undisturbed() => [.. Enumerable.Range(0, 3).SelectMany(step => new[] { ("a", 0), ("b", 1) }.SelectMany(who => (LedgerEntry[])
    [
        Computed(who.Item1, step, who.Item2, step + 0.1),
        new(LedgerEvent.Committed, step + 0.5, "run", who.Item1, step),
        new(LedgerEvent.Applied, step + 0.6, "run", who.Item1, step),
    ]))];

    private static LedgerEntry Computed(string member, long step, int lane, double seconds) => new(LedgerEvent.Computed, seconds, "run", member, step, lane);
}
