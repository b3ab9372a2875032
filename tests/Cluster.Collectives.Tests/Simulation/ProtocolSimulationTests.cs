using Cluster.Collectives.Simulation;

namespace Cluster.Collectives.Tests.Simulation;

public class ProtocolSimulationTests
{
    [Fact]
    public void Run_TwentyThousandSchedules_KeepsEveryInvariant()
    {
        long steps = 0, done = 0, stopped = 0, joined = 0, takeovers = 0, lost = 0, moved = 0;
        for (ulong seed = 0; seed < 20_000; seed++)
        {
            var result = ProtocolSimulation.Run(seed, new SimulationOptions());
            if (result.Violation is not null)
                Assert.Fail(Words(ProtocolSimulation.Shrink(seed, new SimulationOptions())));
            steps += result.Steps;
            done += result.Done ? 1 : 0;
            stopped += result.Stopped is null ? 0 : 1;
            joined += result.Joined;
            takeovers += result.Activations - 1;
            lost += result.LanesLost;
            moved += result.LanesMoved;
        }

        // The schedules are worth something only if they get somewhere and meet what they are about.
        Assert.All([steps - 100_000, done - 14_000, stopped - 500, joined - 10_000, takeovers - 10_000, lost - 10_000, moved - 10_000], x => Assert.True(x > 0));
    }

    [Fact]
    public void Run_TenThousandSchedulesWithShardedOptimizer_KeepsEveryInvariant()
    {
        var options = new SimulationOptions { ShardOptimizer = true };
        long steps = 0, done = 0, joined = 0, rollbacks = 0, doneAfter = 0;
        for (ulong seed = 0; seed < 10_000; seed++)
        {
            var result = ProtocolSimulation.Run(seed, options);
            if (result.Violation is not null)
                Assert.Fail(Words(ProtocolSimulation.Shrink(seed, options)));
            steps += result.Steps;
            done += result.Done ? 1 : 0;
            joined += result.Joined;
            rollbacks += result.Rollbacks;
            doneAfter += result is { Rollbacks: > 0, Done: true } ? 1 : 0;
        }

        Assert.All([steps - 50_000, done - 7_000, joined - 5_000, rollbacks - 100, doneAfter - 50], x => Assert.True(x > 0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_NoFaults_ReachesTheLastStepAndLosesNothing(bool sharded)
    {
        for (ulong seed = 0; seed < 500; seed++)
        {
            var result = ProtocolSimulation.Run(seed, new SimulationOptions { Faults = false, ShardOptimizer = sharded });
            Assert.Equal((null, null, true, 0L, 0), (result.Violation, result.Stopped, result.Done, result.LanesLost, result.Rollbacks));
        }
    }

    [Fact]
    public void Run_StoreThatKeepsItsData_StopsOnlyWhereNoStateSurvives()
    {
        for (ulong seed = 0; seed < 2_000; seed++)
        {
            var result = ProtocolSimulation.Run(seed, new SimulationOptions { StoreLosesData = false });
            Assert.Null(result.Violation);
            Assert.DoesNotContain("store", result.Stopped ?? "", StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Run_SameSeed_ReplaysEventForEvent()
    {
        for (ulong seed = 0; seed < 200; seed++)
        {
            var first = ProtocolSimulation.Run(seed, new SimulationOptions { Trace = true });
            var second = ProtocolSimulation.Run(seed, new SimulationOptions { Trace = true });
            Assert.Equal((first.TraceHash, first.Events), (second.TraceHash, second.Events));
            Assert.Equal(first.Trace, second.Trace);
            Assert.NotEqual(first.TraceHash, ProtocolSimulation.Run(seed + 1, new SimulationOptions()).TraceHash);
        }
    }

    /// <summary>For each invariant a mistake that breaks it, and how many schedules it takes at most until somebody notices.</summary>
    [Theory]
    [InlineData(PlantedBug.UnconditionalWrite, "was stored after|was undone|two COMMITs", 500)]
    [InlineData(PlantedBug.NoNewTerm, "was stored after|speak in term", 500)]
    [InlineData(PlantedBug.RecreateStore, "as if the run were new", 500)]
    [InlineData(PlantedBug.CommitEarly, "is not ready", 500)]
    [InlineData(PlantedBug.AcceptOldReady, "is not ready", 3_000)]
    [InlineData(PlantedBug.ObeyOldCoordinator, "accepted", 500)]
    [InlineData(PlantedBug.StaleParts, "was given a part of", 500)]
    [InlineData(PlantedBug.ApplyTwice, "and now applies step", 500)]
    [InlineData(PlantedBug.ApplyUncommitted, "which is not committed", 500)]
    [InlineData(PlantedBug.SkipLostLanes, "without lane", 500)]
    [InlineData(PlantedBug.DropHeldLanes, "lanes were computed", 500)]
    [InlineData(PlantedBug.LeftFold, "another gradient", 500)]
    [InlineData(PlantedBug.TrustCopy, "another state", 1_000)]
    [InlineData(PlantedBug.StallMeansDead, "though .* holds the state", 5_000)]
    [InlineData(PlantedBug.NeverRemind, "no progress", 500)]
    [InlineData(PlantedBug.DivideTwice, "is computed by", 500)]
    [InlineData(PlantedBug.TimeOfAllLanes, "the lanes return to", 2_000)]
    [InlineData(PlantedBug.ReadyWithoutMoments, "replicas have the moments of slice", 500)]
    [InlineData(PlantedBug.KeepOldMoments, "moments of another step|unequal bits", 1_000)]
    [InlineData(PlantedBug.HideMoments, "rolled back", 1_000)]
    internal void Run_PlantedBug_IsFound(PlantedBug bug, string complaint, int seeds)
    {
        var options = new SimulationOptions { Bug = bug, ShardOptimizer = bug is PlantedBug.ReadyWithoutMoments or PlantedBug.KeepOldMoments or PlantedBug.HideMoments };
        for (ulong seed = 0; seed < (ulong)seeds; seed++)
        {
            if (ProtocolSimulation.Run(seed, options).Violation is { } violation
                && System.Text.RegularExpressions.Regex.IsMatch(violation, complaint))
            {
                return;
            }
        }

        Assert.Fail($"{bug} was not found in {seeds} schedules.");
    }

    [Fact]
    public void Shrink_FailingSchedule_FewerFaultsAndStillFailing()
    {
        var options = new SimulationOptions { Bug = PlantedBug.SkipLostLanes };
        ulong seed = 0;
        SimulationResult failing;
        do
            failing = ProtocolSimulation.Run(seed++, options with { Trace = true });
        while (failing.Violation is null || failing.Faults.Count < 6 || !failing.Violation.Contains("without lane", StringComparison.Ordinal));

        var small = ProtocolSimulation.Shrink(failing.Seed, options);
        Assert.NotNull(small.Violation);
        Assert.InRange(small.Faults.Count, 0, failing.Faults.Count / 2);
        Assert.True(small.Trace.Count < failing.Trace.Count || small.Faults.Count < failing.Faults.Count);
        Assert.Contains("BROKEN", small.Trace[^1], StringComparison.Ordinal);
        Assert.Equal(small.TraceHash, ProtocolSimulation.Shrink(failing.Seed, options).TraceHash);
    }

    private static string Words(SimulationResult result) =>
        $"seed {result.Seed}: {result.Violation}\n{string.Join('\n', result.Faults)}\n{string.Join('\n', result.Trace)}";
}
