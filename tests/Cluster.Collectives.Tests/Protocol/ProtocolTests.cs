using Cluster.Collectives.Protocol;
using Cluster.Core.Randomness;

namespace Cluster.Collectives.Tests.Protocol;

public class ProtocolTests
{
    [Fact]
    public void Run_ManySchedulesWithDeaths_KeepsEveryInvariant()
    {
        for (ulong seed = 0; seed < 3_000; seed++)
            new Simulation(seed, deaths: true).Run();
    }

    [Fact]
    public void Run_ReplicaWithOtherBits_StopsWithBothHashes()
    {
        var stop = new Simulation(1, deaths: false) { Corrupt = ("r1", 3) }.Run();
        Assert.Contains("r1", stop, StringComparison.Ordinal);
        Assert.Contains("equal inputs gave unequal bits", stop, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_CommitAppliedTwice_IsFound()
    {
        var error = Assert.ThrowsAny<Exception>(() => new Simulation(1, deaths: false) { ApplyTwice = true }.Run());
        Assert.Contains("applied", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Receive_OlderGeneration_IsIgnored()
    {
        var machine = new ReplicaStepMachine(0);
        var begin = new BeginStep(2, 5, 0, [new Member("a", "")], Reduction.LaneAssignment.Even(4, 1));
        Assert.Single(machine.Receive(begin));
        Assert.Empty(machine.Receive(begin));
        Assert.Empty(machine.Receive(begin with { Generation = 4 }));
        Assert.Empty(machine.Receive(begin with { Term = 1, Generation = 9 }));
        Assert.Single(machine.Receive(begin with { Generation = 6 }));
    }

    [Fact]
    public void Receive_CommitLost_NextBeginAppliesTheHeldGradient()
    {
        var machine = new ReplicaStepMachine(0);
        var begin = new BeginStep(1, 1, 0, [new Member("a", "")], Reduction.LaneAssignment.Even(4, 1));
        machine.Receive(begin);
        Assert.True(machine.Reduced(begin, "h"));
        Assert.Equal(
            [typeof(ReplicaAction.Apply), typeof(ReplicaAction.Work)],
            machine.Receive(begin with { Step = 1, Generation = 2 }).Select(a => a.GetType()));
        Assert.IsType<ReplicaAction.Behind>(machine.Receive(begin with { Step = 3, Generation = 3 }).Single());
    }

    [Fact]
    public void Join_OtherState_RefusedWithBothHashes()
    {
        var coordinator = new StepCoordinator(1, 4, 2, new CommitRecord(0, 0, "", 0), 10);
        Assert.Empty(coordinator.Receive(new Join(new Member("a", ""), 0, "h1")));
        var refusal = Assert.IsType<CoordinatorAction.Refuse>(coordinator.Receive(new Join(new Member("b", ""), 0, "h2"))[0]);
        Assert.Contains("h1", refusal.Reason, StringComparison.Ordinal);
        Assert.Contains("h2", refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Join_OtherArithmetic_RefusedAndTheOthersBegin()
    {
        var coordinator = new StepCoordinator(1, 4, 3, new CommitRecord(0, 0, "", 0), 10);
        Assert.Empty(coordinator.Receive(new Join(new Member("a", ""), 0, "h", "f1")));
        Assert.Empty(coordinator.Receive(new Join(new Member("b", ""), 0, "h", "f1")));
        var actions = coordinator.Receive(new Join(new Member("c", ""), 0, "h", "f2"));
        Assert.Contains("f2", Assert.IsType<CoordinatorAction.Refuse>(actions[0]).Reason, StringComparison.Ordinal);
        Assert.Equal(["a", "b"], Assert.IsType<CoordinatorAction.SendBegin>(actions[1]).Begin.Members.Select(m => m.Id));
    }

    [Fact]
    public void Continue_AfterALossAtRest_BeginsWithTheSurvivors()
    {
        var coordinator = new StepCoordinator(1, 4, 2, new CommitRecord(0, 3, "", 0), 3);
        coordinator.Receive(new Join(new Member("a", ""), 3, "h"));
        Assert.IsType<CoordinatorAction.Finished>(coordinator.Receive(new Join(new Member("b", ""), 3, "h")).Single());
        coordinator.Lose("a", "killed");
        var begin = Assert.IsType<CoordinatorAction.SendBegin>(coordinator.Continue(8).Single()).Begin;
        Assert.Equal((3L, 2L, "b", 4), (begin.Step, begin.Generation, begin.Members.Single().Id, begin.Assignment[0].Count));
        Assert.Throws<ArgumentOutOfRangeException>(() => coordinator.Continue(7));
    }

    /// <summary>Coordinator and replicas over a network that delays and reorders as a seed says, and kills replicas.</summary>
    private sealed class Simulation
    {
        private const int Lanes = 6, Replicas = 4;
        private const long Halt = 5, Steps = 12;
        private readonly CounterRandom _random;
        private readonly StepCoordinator _coordinator = new(1, Lanes, Replicas, new CommitRecord(0, 0, "", 0), Halt);
        private readonly Dictionary<string, ReplicaStepMachine> _replicas = new(StringComparer.Ordinal);
        private readonly Dictionary<string, long> _applied = new(StringComparer.Ordinal);
        private readonly HashSet<long> _stored = [];
        private readonly List<Action> _network = [];
        private readonly bool _deaths;
        private ulong _draws;
        private string? _stop;
        private bool _finished;

        public Simulation(ulong seed, bool deaths)
        {
            _random = new CounterRandom(seed, RandomPurpose.Synthetic, 0);
            _deaths = deaths;
        }

        public (string Member, long Step)? Corrupt { get; init; }

        public bool ApplyTwice { get; init; }

        public string Run()
        {
            for (var i = 0; i < Replicas; i++)
            {
                var id = $"r{i}";
                _replicas[id] = new ReplicaStepMachine(0);
                _applied[id] = 0;
                _network.Add(() => Do(_coordinator.Receive(new Join(new Member(id, ""), 0, "start"))));
            }

            while (_network.Count > 0 && _stop is null)
            {
                var next = (int)_random.Below(_draws++, (ulong)_network.Count);
                var deliver = _network[next];
                _network.RemoveAt(next);
                deliver();
                if (_deaths && _replicas.Count > 1 && _coordinator.Generation > 0 && _random.Below(_draws++, 40) == 0)
                {
                    var victim = _replicas.Keys.Order(StringComparer.Ordinal).ElementAt((int)_random.Below(_draws++, (ulong)_replicas.Count));
                    _replicas.Remove(victim);
                    _network.Add(() => Do(_coordinator.Lose(victim, "killed")));
                }
            }

            if (_stop is not null)
                return _stop;
            Assert.True(_finished, "no progress after the faults stopped");
            Assert.Equal(Enumerable.Range(1, (int)Steps).Select(s => (long)s), _stored.Order());
            Assert.All(_replicas.Keys, id => Assert.Equal(Steps, _applied[id]));
            return "";
        }

        private void Do(IReadOnlyList<CoordinatorAction> actions)
        {
            foreach (var action in actions)
            {
                switch (action)
                {
                    case CoordinatorAction.SendBegin send:
                        CheckLanes(send.Begin);
                        foreach (var member in send.Begin.Members)
                            _network.Add(() => Replica(member.Id, r => r.Receive(send.Begin)));
                        break;
                    case CoordinatorAction.StoreCommit store:
                        Assert.True(_stored.Add(store.Record.Steps), $"step {store.Record.Steps} was committed twice");
                        _network.Add(() => Do(_coordinator.CommitStored(store.Record.Steps)));
                        break;
                    case CoordinatorAction.SendCommit send:
                        if (send.Commit.Next is { } next)
                            CheckLanes(next);
                        foreach (var member in send.Members)
                        {
                            _network.Add(() => Replica(member.Id, r => r.Receive(send.Commit)));
                            if (ApplyTwice)
                                _network.Add(() => Apply(member.Id, send.Commit.Record.Steps - 1));
                        }

                        break;
                    case CoordinatorAction.Stop stop:
                        _stop = stop.Reason;
                        break;
                    case CoordinatorAction.Finished finished when finished.Steps < Steps:
                        _network.Add(() => Do(_coordinator.Continue(Steps)));
                        break;
                    case CoordinatorAction.Finished:
                        _finished = true;
                        break;
                }
            }
        }

        private void Replica(string id, Func<ReplicaStepMachine, IReadOnlyList<ReplicaAction>> receive)
        {
            if (!_replicas.TryGetValue(id, out var replica))
                return;
            foreach (var action in receive(replica))
            {
                switch (action)
                {
                    case ReplicaAction.Apply apply:
                        Assert.Contains(apply.Step + 1, _stored);
                        Apply(id, apply.Step);
                        break;
                    case ReplicaAction.Work work:
                        // The exchange needs everyone: whoever is dead keeps it from completing, which the coordinator hears as a loss.
                        _network.Add(() => Complete(id, work.Begin));
                        break;
                    case ReplicaAction.Behind behind:
                        Assert.Fail($"replica {id} is behind: {behind}");
                        break;
                }
            }
        }

        private void Complete(string id, BeginStep begin)
        {
            if (!_replicas.TryGetValue(id, out var replica) || begin.Members.Any(m => !_replicas.ContainsKey(m.Id)))
                return;
            var hash = Corrupt == (id, begin.Step) ? "wrong" : $"g{begin.Step}";
            if (!replica.Reduced(begin, hash))
                return;
            var place = begin.Members.ToList().FindIndex(m => m.Id == id);
            var ready = new Ready(id, begin.Term, begin.Generation, begin.Step, hash, [.. Enumerable.Repeat(1.0, begin.Assignment[place].Count)]);
            _network.Add(() => Do(_coordinator.Receive(ready)));
        }

        private void Apply(string id, long step)
        {
            Assert.True(_applied[id] == step, $"replica {id} applied {_applied[id]} steps and now applies step {step}");
            _applied[id]++;
        }

        private static void CheckLanes(BeginStep begin)
        {
            Assert.Equal(Lanes, begin.Assignment.Ranges.Sum(r => r.Count));
            Assert.Equal(begin.Members.Count, begin.Assignment.Ranges.Count);
        }
    }
}
