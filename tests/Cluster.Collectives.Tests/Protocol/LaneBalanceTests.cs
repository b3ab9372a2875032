using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Tests.Protocol;

public class LaneBalanceTests
{
    private static readonly LaneBalanceOptions s_usual = new();

    /// <summary>Steps within which a change of speed is followed: more than half of a window shows it, and so it must for a while.</summary>
    private static readonly int s_followed = (s_usual.Window / 2) + s_usual.Persistence;

    [Fact]
    public void Improve_EqualSpeeds_NothingMoves()
    {
        var run = new Run(16, 1, 1, 1);
        run.Steps(200);
        Assert.Equal((0L, 0L), (run.Balance.Changes, run.Balance.MovedLanes));
        Assert.Equal("0+6 6+5 11+5", run.Present.ToString());
    }

    /// <summary>Speeds that stay as they are, each step up to so much longer or shorter, and now and then far longer.</summary>
    [Theory]
    [InlineData(8, 2)]
    [InlineData(8, 4)]
    [InlineData(32, 4)]
    [InlineData(24, 5)]
    public void Improve_ConstantSpeedsWithNoise_AtMostOneChange(int lanes, int members)
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var run = new Run(lanes, [.. Enumerable.Range(0, members).Select(_ => 0.5 + (2 * random.NextDouble()))])
            {
                Noise = () => random.Next(20) == 0 ? 5 : 1 + (0.05 * ((2 * random.NextDouble()) - 1)),
            };
            run.Steps(300);

            Assert.InRange(run.Balance.Changes, 0, 1);
            // There was not much more to gain.
            Assert.True(LaneAssignment.Fastest(lanes, run.Speeds).Longest(run.Speeds) >= run.Present.Longest(run.Speeds) * (1 - s_usual.Margin - 0.05));
        }
    }

    /// <summary>Without what holds them back, the same noise has lanes wander: the test above can fail.</summary>
    [Fact]
    public void Improve_NoMarginNoRest_LanesWander()
    {
        var random = new Random(1);
        var run = new Run(32, [1, 1.1, 1.2, 1.3], new LaneBalanceOptions { Window = 1, Margin = 0, Persistence = 1, Rest = 0 })
        {
            Noise = () => 1 + (0.05 * ((2 * random.NextDouble()) - 1)),
        };
        run.Steps(300);
        Assert.True(run.Balance.Changes > 20);
    }

    [Fact]
    public void Improve_MemberAtHalfSpeed_LanesMoveOnceAndComeBackWhenItRecovers()
    {
        var run = new Run(8, 1, 1);
        run.Steps(50);
        Assert.Equal(0, run.Balance.Changes);

        run.Speeds[1] = 2;
        run.Steps(s_followed - 1);
        Assert.Equal(0, run.Balance.Changes);
        run.Steps(1);
        Assert.Equal((1L, 1L, "0+5 5+3"), (run.Balance.Changes, run.Balance.MovedLanes, run.Present.ToString()));
        run.Steps(100);
        Assert.Equal(1, run.Balance.Changes);

        run.Speeds[1] = 1;
        run.Steps(s_followed);
        Assert.Equal((2L, 2L, "0+4 4+4"), (run.Balance.Changes, run.Balance.MovedLanes, run.Present.ToString()));
        run.Steps(100);
        Assert.Equal(2, run.Balance.Changes);
    }

    [Fact]
    public void Improve_ShortSlowness_NothingMoves()
    {
        var run = new Run(8, 1, 1);
        run.Steps(50);
        for (var again = 0; again < 10; again++)
        {
            // As a checkpoint, or a neighbour on the machine.
            run.Speeds[1] = 10;
            run.Steps(s_usual.Window / 2);
            run.Speeds[1] = 1;
            run.Steps(s_usual.Window);
        }

        Assert.Equal(0, run.Balance.Changes);
    }

    [Fact]
    public void Improve_RightAfterAChange_RestsFirst()
    {
        var run = new Run(8, 1, 1);
        run.Steps(50);
        run.Speeds[1] = 2;
        run.Steps(s_followed);
        Assert.Equal(1, run.Balance.Changes);
        run.Speeds[1] = 1;
        run.Steps(s_usual.Rest + s_usual.Persistence - 1);
        Assert.Equal(1, run.Balance.Changes);
        run.Steps(1);
        Assert.Equal(2, run.Balance.Changes);
    }

    /// <summary>Savings below the margin are left alone: 4 to 3.7.</summary>
    [Theory]
    [InlineData(1.35, 0)]
    [InlineData(1.4, 1)]
    public void Improve_SavingAroundTheMargin_TakenFromTheMarginOn(double slow, long changes)
    {
        var run = new Run(8, 1, slow);
        run.Steps(50);
        Assert.Equal(changes, run.Balance.Changes);
    }

    [Fact]
    public void Improve_FarTooSlowMember_KeepsALaneAndIsSeenToRecover()
    {
        var run = new Run(8, 1, 1);
        run.Speeds[0] = 1_000;
        run.Steps(50);
        Assert.Equal("0+1 1+7", run.Present.ToString());
        run.Speeds[0] = 1;
        run.Steps(50);
        Assert.Equal("0+4 4+4", run.Present.ToString());
    }

    [Fact]
    public void Improve_SpareMembers_TakeTheSlowOnesLane()
    {
        var run = new Run(2, 1, 5, 1);
        Assert.Equal("0+1 1+1 2+0", run.Present.ToString());
        run.Steps(50);
        Assert.Equal(("0+1 1+0 1+1", 1L), (run.Present.ToString(), run.Balance.Changes));
    }

    [Fact]
    public void Divide_SpeedsKnown_BySpeedAtOnceAndTheGoneForgotten()
    {
        var run = new Run(8, 1, 2, 1);
        run.Steps(50);
        Assert.NotNull(run.Balance.SecondsPerLane("m2"));
        Roster left = [run.Members[0], run.Members[1]];

        Assert.Equal("0+5 5+3", run.Balance.Divide(8, left).ToString());
        Assert.Null(run.Balance.SecondsPerLane("m2"));
        // A newcomer is taken to be like the others until it is known.
        Assert.Equal("0+3 3+2 5+3", run.Balance.Divide(8, run.Members).ToString());
    }

    [Fact]
    public void Divide_NothingKnown_Even() => Assert.Equal(LaneAssignment.Even(7, 3), new Run(7, 1, 1, 1).Present);

    [Theory]
    [InlineData(0.0)]
    [InlineData(-1.0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Observe_NoTime_CountsForNothing(double seconds)
    {
        var balance = new LaneBalance();
        for (var step = 0; step < 50; step++)
            balance.Observe("m0", seconds);
        Assert.Null(balance.SecondsPerLane("m0"));
    }

    [Fact]
    public void Constructor_FiguresOutOfRange_AreRefused() => Assert.All(
        (LaneBalanceOptions[])
        [
            new() { Window = 0 }, new() { Window = 4 }, new() { Window = 101 }, new() { Margin = -0.1 }, new() { Margin = 1 }, new() { Persistence = 0 }, new() { Rest = -1 },
        ],
        options => Assert.Throws<ArgumentOutOfRangeException>(() => new LaneBalance(options)));

    /// <summary>Members with speeds, as a coordinator sees them.</summary>
    private sealed class Run
    {
        public Run(int lanes, params double[] speeds)
            : this(lanes, speeds, null)
        {
        }

        public Run(int lanes, double[] speeds, LaneBalanceOptions? options)
        {
            (Balance, Speeds) = (new LaneBalance(options), speeds);
            Members = [.. speeds.Select((_, i) => new Member($"m{i}", ""))];
            Present = Balance.Divide(lanes, Members);
        }

        public LaneBalance Balance { get; }

        public Roster Members { get; }

        /// <summary>Seconds per lane.</summary>
        public double[] Speeds { get; }

        public Func<double> Noise { get; init; } = () => 1;

        public LaneAssignment Present { get; private set; }

        public void Steps(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                for (var member = 0; member < Speeds.Length; member++)
                {
                    // Who has no lanes shows no speed.
                    if (!Present[member].IsEmpty)
                        Balance.Observe(Members[member].Id, Speeds[member] * Noise());
                }

                Present = Balance.Improve(Present, Members) ?? Present;
            }
        }
    }
}
