using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Silo.Simulation;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Simulation;

public class SimulatedReplicaTests
{
    private static readonly SimulatedWork s_work = new(5, LaneSeconds: 1, Jitter: 0, MeanSecondsBetweenFailures: 0, RestartSeconds: 3, CopySeconds: 2);

    [Fact]
    public async Task Begin_TwoLanes_ReadyAfterTwoLanesTime()
    {
        await using var world = new World(s_work);
        Assert.Equal(SimulatedBits.State(5, 0), Assert.IsType<ReplicaAction.SendJoin>(world.Said.Single()).Join.StateHash);
        world.Begin(1, 0, lanes: 2);
        world.Time.Advance(1.9);
        Assert.Empty(world.Ready);
        world.Time.Advance(0.2);
        var ready = Assert.Single(world.Ready);
        Assert.Equal((0L, SimulatedBits.Gradient(5, 0), 2, 1.0), (ready.Step, ready.GradientHash, ready.Losses.Count, ready.LaneSeconds));
        world.Begin(1, 1, lanes: 2);
        Assert.Equal([0L], world.Ledger.Figures(0, 0, 0).Steps.Select(step => step.Step));
        Assert.Equal(0, world.Ledger.Figures(0, 0, 0).Wrong);
    }

    [Fact]
    public async Task Begin_NewGenerationWithinALane_OnlyMissingLanesTakeTime()
    {
        await using var world = new World(s_work);
        world.Begin(1, 0, lanes: 2);
        world.Time.Advance(1.5);
        // Lane 0 is there, lane 1 at work; a neighbour's lane 2 comes in addition: 2.0 and 3.0 from the first BEGIN on.
        world.Begin(2, 0, lanes: 3);
        world.Time.Advance(1.4);
        Assert.Empty(world.Ready);
        world.Time.Advance(0.2);
        Assert.Equal(2, Assert.Single(world.Ready).Generation);
        // Nothing is missing: ready at once.
        world.Begin(3, 0, lanes: 3);
        Assert.Equal((3, 0.0), (world.Ready.Last().Generation, world.Ready.Last().LaneSeconds));
    }

    [Fact]
    public async Task Begin_OtherBitsCommitted_IsFoundWrong()
    {
        await using var world = new World(s_work);
        world.Begin(1, 0, lanes: 1);
        world.Time.Advance(2);
        world.Begin(1, 1, lanes: 1, hash: "other");
        Assert.Equal(1, world.Ledger.Figures(0, 0, 0).Wrong);
        Assert.Contains(world.Member, world.Failures);
    }

    [Fact]
    public async Task Life_Ends_TheNextOffersItselfWithoutStateAndCopies()
    {
        await using var world = new World(s_work with { MeanSecondsBetweenFailures = 100 });
        var first = world.Member;
        world.Time.Advance(10_000);
        Assert.Empty(world.Failures);
        world.Begin(1, 0, lanes: 1);
        while (world.Failures.Count == 0)
            world.Time.Advance(0.1);
        Assert.Equal([first], world.Failures);
        world.Time.Advance(2.5);
        Assert.DoesNotContain(world.Said, said => said is ReplicaAction.SendJoin join && join.Join.Member.Id != first);
        world.Time.Advance(0.6);
        var join = Assert.IsType<ReplicaAction.SendJoin>(world.Said[^1]).Join;
        Assert.NotEqual(first, join.Member.Id);
        Assert.Equal((-1L, ""), (join.Steps, join.StateHash));
        world.Replica.Post(new CopyState(1, 2, new Member("donor", ""), new CommitRecord(1, 7, SimulatedBits.Gradient(5, 6), 1), SimulatedBits.State(5, 7)));
        world.Time.Advance(1.9);
        Assert.Empty(world.Said.OfType<ReplicaAction.SendJoined>());
        world.Time.Advance(0.2);
        Assert.Equal(7, Assert.Single(world.Said.OfType<ReplicaAction.SendJoined>()).Joined.Steps);
    }

    [Fact]
    public async Task Lives_SameSeed_FailAtTheSameTimes_OtherSeedsAtOthers()
    {
        Assert.Equal(await FailuresAsync(5), await FailuresAsync(5));
        Assert.NotEqual(await FailuresAsync(5), await FailuresAsync(6));
        // 30,000 s of lives of 100 s, 3 s each between them: about 291.
        Assert.InRange((await FailuresAsync(7)).Count, 230, 350);

        static async Task<IReadOnlyList<long>> FailuresAsync(ulong seed)
        {
            await using var world = new World(s_work with { Seed = seed, MeanSecondsBetweenFailures = 100 });
            world.Begin(1, 0, lanes: 1);
            world.Time.Advance(30_000);
            return world.Ledger.Figures(0, 0, 0).Failures;
        }
    }

    [Fact]
    public async Task Silence_ReadyIsSaidAgain()
    {
        await using var world = new World(s_work);
        world.Begin(1, 0, lanes: 1);
        world.Time.Advance(1.1);
        var said = world.Said.Count;
        world.Time.Advance(1);
        Assert.Equal(world.Ready.Single(), Assert.IsType<ReplicaAction.SendReady>(world.Said[said]).Ready);
    }

    private sealed class World : ICoordinatorPort, IAsyncDisposable
    {
        public World(SimulatedWork work)
        {
            var job = new TrainingJob("run", "stage", "", "", [], 0, 10, null, [1], 1, work);
            Replica = new SimulatedReplica(new ReplicaKey(job.Key, "silo", 0).ToString(), job, work, new SimulatedSurroundings(
                new RunIdentity("run"), "address", this, (_, _) => Task.FromResult(new LaneTokens([])), Ledger, Time, 10));
        }

        public SteppedTime Time { get; } = new();

        public SimulationLedger Ledger { get; } = new();

        public SimulatedReplica Replica { get; }

        public string Member => Replica.Member.Id;

        public List<ReplicaAction> Said { get; } = [];

        /// <summary>What was said again is the same.</summary>
        public IEnumerable<Ready> Ready => Said.OfType<ReplicaAction.SendReady>().Select(send => send.Ready).Distinct();

        public List<string> Failures { get; } = [];

        public void Begin(long generation, long step, int lanes, string? hash = null) => Replica.Post(new BeginStep(
            1, generation, step, [Replica.Member], new LaneAssignment([new LaneRange(0, lanes)]),
            new CommitRecord(1, step, step == 0 ? "" : hash ?? SimulatedBits.Gradient(5, step - 1), 1)));

        public void Send(ReplicaAction message) => Said.Add(message);

        public void Failed(string member, Exception error) => Failures.Add(member);

        public ValueTask DisposeAsync() => Replica.DisposeAsync();
    }
}
