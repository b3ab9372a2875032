using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public sealed class CoordinatorInstrumentsTests : IDisposable
{
    private readonly Meters _meters = new();

    public void Dispose() => _meters.Dispose();

    [Fact]
    public void Commit_StepsRecoveryAndHalt_TimeGoesToItsKind()
    {
        var times = new StageTimes().Begin(1, [("a/0", 4), ("b/0", 4)], 0).Commit(10, out var first).Commit(12, out var second);
        Assert.Null(first);
        Assert.Null(second);
        Assert.Equal(1, times.Goodput);

        // The first sign counts, and time goes to what came in the way.
        times = times.Sign(13).Sign(14).Begin(2, [("a/0", 8)], 4).Commit(17, out var recovered);
        Assert.Equal(4, recovered);
        times = times.Rest().Commit(20, out var afterHalt);
        Assert.Null(afterHalt);

        Assert.Equal(["halt 3", "recovery 5", "step 2"], times.Seconds.Select(kind => $"{kind.Key} {kind.Value}"));
        Assert.Equal(0.2, times.Goodput);
    }

    [Fact]
    public void Goodput_BeforeTheFirstStep_NotKnown()
    {
        Assert.Null(new StageTimes().Goodput);
        Assert.Null(new StageTimes().Sign(1).Commit(2, out _).Goodput);
    }

    [Fact]
    public void Show_AStage_EveryFigureWithRunAndStage()
    {
        var instruments = new CoordinatorInstruments(_meters.Factory);
        instruments.Open("r/s");
        instruments.Show("r/s", new StageTimes().Begin(2, [("a/0", 3), ("b/0", 5)], 4, 6).Commit(1, out _).Commit(3, out _));
        instruments.Lost("r/s", 2);
        instruments.Recovered("r/s", 1.5);

        string[] counted = ["cluster.training.recoveries r s 1", "cluster.training.recovery.time r s 1.5", "cluster.training.replicas.lost r s 2"];
        Assert.Equal(
            [
                "cluster.training.generation r s 2", "cluster.training.goodput r s 1", "cluster.training.lanes.lost r s 4", "cluster.training.lanes.moved r s 6",
                "cluster.training.replica.lanes r s a/0 3", "cluster.training.replica.lanes r s b/0 5", "cluster.training.replicas r s 2",
                "cluster.training.time r s halt 0", "cluster.training.time r s recovery 0", "cluster.training.time r s step 2", .. counted,
            ],
            _meters.Observe());

        instruments.Forget("r/s");
        Assert.Equal(counted, _meters.Observe());
    }

    [Theory]
    [InlineData("run/stage", "run", "stage")]
    [InlineData("a/b/stage", "a/b", "stage")]
    [InlineData("alone", "alone", "")]
    public void Of_AStagesKey_RunAndStage(string key, string run, string stage) => Assert.Equal((run, stage), RecentSeries<StageTimes>.Of(key));
}
