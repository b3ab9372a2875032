using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Core.Models;
using Cluster.Core.Planning;
using Cluster.Core.Randomness;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;
using Cluster.Silo.Shards;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public class ReplicaWorkerTests
{
    private const int Steps = 6;
    private static readonly ModelShape s_shape = new() { Layers = 2, Width = 32, Heads = 2, Context = 16, Vocabulary = 48, FeedForward = 64 };

    [Theory]
    [InlineData(6, Precision.Bf16)]
    [InlineData(8, Precision.Bf16)]
    [InlineData(6, Precision.Fp32)]
    public async Task Train_AnyNumberOfReplicas_SameWeights(int lanes, Precision precision)
    {
        var alone = await new Run(lanes, 1, precision).Train();
        foreach (var replicas in new[] { 2, 3, 5 })
        {
            var together = await new Run(lanes, replicas, precision).Train();
            Assert.Equal(alone, together);
            Assert.Equal(Steps * lanes, together.Lanes);
        }
    }

    [Theory]
    [InlineData(6)]
    [InlineData(8)]
    public async Task Train_ReducedInBf16OnAnyNumberOfReplicas_SameWeights(int lanes)
    {
        var alone = await new Run(lanes, 1, Precision.Bf16) { Reduction = ReductionPrecision.Bf16 }.Train();
        foreach (var replicas in new[] { 2, 3, 5 })
            Assert.Equal(alone, await new Run(lanes, replicas, Precision.Bf16) { Reduction = ReductionPrecision.Bf16 }.Train());
        Assert.NotEqual((await new Run(lanes, 1, Precision.Bf16).Train()).Weights, alone.Weights);
    }

    [Fact]
    public async Task Train_ReducedInBf16ReplicaKilledOverSockets_SameWeights()
    {
        var alone = await new Run(8, 1, Precision.Bf16) { Reduction = ReductionPrecision.Bf16 }.Train();
        var run = new Run(8, 3, Precision.Bf16) { Reduction = ReductionPrecision.Bf16, Sockets = true, Victim = 1, KillAtStep = 2 };
        var survived = await run.Train();
        Assert.Equal((alone.Weights, alone.Losses), (survived.Weights, survived.Losses));
        Assert.True(run.LostLanes > 0, "nothing was lost: the kill came too late to test anything");
    }

    /// <summary>With blocks computed again the fingerprint and every gradient are the same, on any number of replicas.</summary>
    [Fact]
    public async Task Train_ActivationsCheckpointed_SameWeightsAsWithout() => Assert.Equal(
        await new Run(6, 1, Precision.Bf16).Train(), await new Run(6, 2, Precision.Bf16) { Checkpointing = ActivationCheckpointing.Block }.Train());

    /// <summary>A replica alone with four lanes: what <c>cluster plan</c> says is what it allocated, to a fiftieth.</summary>
    [Theory]
    [InlineData(Precision.Fp32, ActivationCheckpointing.None, ReductionPrecision.Fp32)]
    [InlineData(Precision.Bf16, ActivationCheckpointing.Block, ReductionPrecision.Fp32)]
    [InlineData(Precision.Bf16, ActivationCheckpointing.Block, ReductionPrecision.Bf16)]
    public async Task MemoryBytes_OfAReplica_AreThePlans(Precision precision, ActivationCheckpointing checkpointing, ReductionPrecision reduction)
    {
        var run = new Run(4, 1, precision) { Checkpointing = checkpointing, Reduction = reduction };
        await run.Train();
        var planned = ReplicaMemory.Of(run.Length, 1, 4, Run.BatchTokens, s_shape.Resolved(), new MemoryOptions(precision, false, checkpointing, reduction)).Total;
        Assert.InRange(run.Workers.Single().MemoryBytes.Sum(part => part.Bytes), planned * 0.98, planned * 1.02);
    }

    [Theory]
    [InlineData(4, Precision.Bf16, false)]
    [InlineData(6, Precision.Fp32, false)]
    [InlineData(8, Precision.Bf16, true)]
    public async Task Train_OptimizerSharded_SameBitsAsReplicatedAndLessMemory(int lanes, Precision precision, bool sockets)
    {
        var replicated = await new Run(lanes, 1, precision).Train();
        foreach (var replicas in new[] { 1, 2, 3, 5 })
        {
            var run = new Run(lanes, replicas, precision) { Sharded = true, Sockets = sockets };
            var sharded = await run.Train();

            Assert.Equal(replicated, sharded);
            // The owner's part and its buddy's, which makes two copies in all.
            var moments = run.Workers.Select(MomentsOf).ToArray();
            Assert.Equal((replicas == 1 ? 1 : 2) * MomentBytes(run), moments.Sum());
            Assert.All(moments, held => Assert.InRange(held, 0, MomentBytes(run) * (replicas <= 2 ? 1 : 2.0 / replicas) + 2 * 2 * 4 * 4_096));
        }
    }

    [Fact]
    public async Task Train_ShardedPreviewOfAnotherStep_Stops()
    {
        var run = new Run(6, 3, Precision.Fp32) { Sharded = true, OtherMomentsAt = "r1" };
        var stopped = await Assert.ThrowsAsync<InvalidOperationException>(run.Train);
        Assert.Contains("equal inputs gave unequal bits", stopped.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Train_ShardedReplicaKilledOverSockets_SameWeights(int victim)
    {
        var alone = await new Run(8, 1, Precision.Bf16).Train();
        foreach (var replicas in new[] { 3, 5 })
        {
            var run = new Run(8, replicas, Precision.Bf16) { Sharded = true, Sockets = true, Victim = victim, KillAtStep = 2 };
            var survived = await run.Train();
            Assert.Equal(alone.Weights, survived.Weights);
            Assert.Equal(alone.Losses, survived.Losses);
            Assert.True(run.LostLanes > 0, "nothing was lost: the kill came too late to test anything");
        }
    }

    [Fact]
    public async Task Train_ShardedNewcomer_CopiesParametersAndItsMomentsOnly()
    {
        var alone = await new Run(6, 2, Precision.Fp32).Train();
        var run = new Run(6, 3, Precision.Fp32) { Sharded = true, JoinAtStep = 2 };
        var joined = await run.Train();

        Assert.Equal((1, 1), (run.Joined, run.Stalled));
        Assert.Equal((alone.Weights, alone.Losses), (joined.Weights, joined.Losses));
        Assert.InRange(MomentsOf(run.Workers.Last()), 1, MomentBytes(run) / 2 + 2 * 2 * 4 * 4_096);
    }

    [Fact]
    public async Task Train_OwnerAndBuddyKilledAtOnce_StopsAndSaysWhatIsLost()
    {
        // Of three replicas any two are some slice's owner and buddy; of five these two are not.
        var run = new Run(8, 3, Precision.Fp32) { Sharded = true, Sockets = true, Victim = 1, AlsoKilled = 2, KillAtStep = 2 };
        var stopped = await Assert.ThrowsAsync<InvalidOperationException>(run.Train);
        Assert.Contains("nobody who lives holds the moments", stopped.Message, StringComparison.Ordinal);
        Assert.True(run.MomentsLost);
        var alone = await new Run(8, 1, Precision.Fp32).Train();
        var others = await new Run(8, 5, Precision.Fp32) { Sharded = true, Sockets = true, Victim = 1, AlsoKilled = 3, KillAtStep = 2 }.Train();
        Assert.Equal((alone.Weights, alone.Losses), (others.Weights, others.Losses));
    }

    private static long MomentsOf(ReplicaWorker worker) => worker.MemoryBytes.Single(part => part.Part == "moments").Bytes;

    private static long MomentBytes(Run run) => 2 * sizeof(float) * (long)run.Length;

    [Fact]
    public async Task Train_OneSampleSwapped_OtherWeights()
    {
        var run = await new Run(6, 2, Precision.Bf16).Train();
        var swapped = await new Run(6, 2, Precision.Bf16) { SwappedStep = 3 }.Train();
        Assert.NotEqual(run.Weights, swapped.Weights);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Train_ReplicaKilledOverSockets_SameWeights(int victim)
    {
        var alone = await new Run(8, 1, Precision.Bf16).Train();
        var run = new Run(8, 3, Precision.Bf16) { Sockets = true, Victim = victim, KillAtStep = 2 };
        var survived = await run.Train();
        Assert.Equal(alone.Weights, survived.Weights);
        Assert.Equal(alone.Losses, survived.Losses);
        Assert.True(run.LostLanes > 0, "nothing was lost: the kill came too late to test anything");
    }

    /// <summary>The second replica is four times as slow for two steps, and then as fast as the others.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Train_LanesFollowSpeeds_SameWeights(bool sockets)
    {
        var alone = await new Run(8, 1, Precision.Bf16).Train();
        var run = new Run(8, 3, Precision.Bf16)
        {
            Sockets = sockets,
            Balance = new LaneBalance(new LaneBalanceOptions { Window = 1, Persistence = 1, Rest = 0 }),
            LaneSeconds = (member, step) => member == "r1" && step < 2 ? 4 : 1,
        };
        var balanced = await run.Train();

        Assert.Equal(alone, balanced);
        Assert.Equal(["0+3 3+3 6+2", "0+4 4+1 5+3", "0+4 4+1 5+3", "0+3 3+3 6+2", "0+3 3+3 6+2", "0+3 3+3 6+2"], run.Divisions);
        Assert.Equal(0, run.LostLanes);
    }

    /// <summary>The time is that of computing: what a replica waits for, or spends on its optimizer, is not in it.</summary>
    [Fact]
    public async Task Train_EveryReady_SaysHowLongALaneTook()
    {
        var said = new List<double>();
        var run = new Run(8, 2, Precision.Fp32) { Heard = ready => said.Add(ready.LaneSeconds) };
        await run.Train();

        Assert.Equal(2 * Steps, said.Count);
        Assert.All(said, seconds => Assert.True(seconds > 0));
        Assert.True(4 * said.Sum() <= run.Workers.Sum(worker => worker.ComputeTime.TotalSeconds), "four lanes each, and the optimizer besides");
    }

    [Fact]
    public async Task Train_NewcomerWithoutState_CopiesAPeersAndChangesNoBit()
    {
        var alone = await new Run(6, 2, Precision.Fp32).Train();
        var run = new Run(6, 2, Precision.Fp32) { JoinAtStep = 2 };
        var joined = await run.Train();

        Assert.Equal((1, 1), (run.Joined, run.Stalled));
        Assert.Equal(alone.Weights, joined.Weights);
        Assert.Equal(alone.Losses, joined.Losses);
        Assert.Equal(alone.Lanes, joined.Lanes);
        // The newcomer began with the state after the second step: what it did not apply itself is not lost.
        Assert.All(run.Workers, worker => Assert.Equal((0, 0), worker.Audit));
    }

    [Theory]
    [InlineData(false, "in_process", ReductionPrecision.Fp32, 4)]
    [InlineData(true, "tcp", ReductionPrecision.Fp32, 4)]
    [InlineData(true, "tcp", ReductionPrecision.Bf16, 2)]
    public async Task Train_TwoReplicas_BytesByTransportAndTimeByPhase(bool sockets, string transport, ReductionPrecision reduction, int bytesOfANumber)
    {
        var run = new Run(8, 2, Precision.Fp32) { Sockets = sockets, Reduction = reduction };
        await run.Train();

        // Each has one node: it reads the other's for its own slices, and the other slices' sums.
        var bytes = Steps * (long)run.Length * bytesOfANumber;
        Assert.Equal(2, run.Workers.Count());
        Assert.All(run.Workers, worker =>
        {
            Assert.Equal([(transport, bytes)], worker.BytesRead.Where(read => read.Bytes > 0));
            Assert.Equal(Steps, worker.StepsApplied);
            Assert.Equal(["compute", "data", "optimizer", "read", "reduce", "wait"], worker.Times.Select(time => time.Phase).Order(StringComparer.Ordinal));
            Assert.All(worker.Times.Where(time => time.Phase is "compute" or "optimizer" or "reduce"), time => Assert.True(time.Time > TimeSpan.Zero, time.Phase));
            Assert.True(worker.Times.Where(time => time.Phase is "compute" or "optimizer").Aggregate(TimeSpan.Zero, (sum, time) => sum + time.Time) <= worker.ComputeTime);
        });
    }

    private sealed record Outcome(string Weights, string Losses, long Lanes);

    /// <summary>Workers and a coordinator in one process; only the sockets are real.</summary>
    private sealed class Run(int lanes, int replicas, Precision precision) : ICoordinatorPort, IStepSource
    {
        private static readonly byte[] s_secret = [4, 2];
        private readonly Lock _gate = new();
        private readonly Dictionary<string, ReplicaWorker> _workers = new(StringComparer.Ordinal);
        private readonly Dictionary<string, (ExchangeBoard Gradients, ExchangeBoard State)> _boards = new(StringComparer.Ordinal);
        private readonly Dictionary<string, TcpExchangeServer> _servers = new(StringComparer.Ordinal);
        private readonly List<double> _losses = [];
        private readonly HashSet<string> _dead = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private StepCoordinator? _coordinator;

        public const int BatchTokens = 32;

        public bool Sockets { get; init; }

        public ReductionPrecision Reduction { get; init; }

        public ActivationCheckpointing Checkpointing { get; init; }
        public bool Sharded { get; init; }

        /// <summary>A replica whose moments are written to before the second step.</summary>
        public string? OtherMomentsAt { get; init; }

        public int Victim { get; init; } = -1;

        public int AlsoKilled { get; init; } = -1;

        public long KillAtStep { get; init; } = -1;

        public bool MomentsLost { get; private set; }

        public long JoinAtStep { get; init; } = -1;

        public long Joined => _coordinator!.JoinedReplicas;

        public long Stalled => _coordinator!.StalledSteps;

        public IEnumerable<ReplicaWorker> Workers => _workers.Values;

        /// <summary>Floats of the gradient.</summary>
        public int Length { get; private set; }

        public long SwappedStep { get; init; } = -1;

        public long LostLanes => _coordinator!.LostLanes;

        public LaneBalance? Balance { get; init; }

        /// <summary>What replicas say of their speed, by member and step; null for what they measured.</summary>
        public Func<string, long, double>? LaneSeconds { get; init; }

        public Action<Ready>? Heard { get; init; }

        /// <summary>Lanes of each step.</summary>
        public List<string> Divisions { get; } = [];

        public async Task<Outcome> Train()
        {
            lock (_gate)
            {
                _coordinator = new StepCoordinator(1, Balance);
                Tell(c => c.StartJob(null, new RunIdentity("1"), lanes, replicas, new CommitRecord(0, 0, "", 0), Steps));
                for (var i = 0; i < replicas; i++)
                    StartWorker($"r{i}", 0);
            }

            await _finished.Task.WaitAsync(TimeSpan.FromSeconds(60));
            var states = new List<(string Hash, long Applied)>();
            foreach (var (id, worker) in _workers)
            {
                if (_dead.Contains(id))
                    continue;
                Length = await worker.Ask(0, (engine, _) => engine.Length);
                var state = new float[3][];
                for (var i = 0; i < state.Length; i++)
                    state[i] = new float[Length];
                var applied = await worker.AskWhole(Steps, (_, steps) => (steps, state.Select(vector => vector.AsMemory()).ToArray()));
                states.Add((GradientHash.Of(state[0]) + GradientHash.Of(state[1]) + GradientHash.Of(state[2]), applied));
            }

            Length = await _workers["r0"].Ask(0, (engine, _) => engine.Length);
            Assert.All(states, s => Assert.Equal((states[0].Hash, (long)Steps), s));
            var computed = _workers.Values.Sum(w => w.LanesComputed);
            foreach (var worker in _workers.Values)
                await worker.DisposeAsync();
            foreach (var server in _servers.Values)
                await server.DisposeAsync();
            return new Outcome(states[0].Hash, string.Join(' ', _losses.Select(l => l.ToString("R"))), computed);
        }

        public StepPlan Plan(long step) => new(step, 1e-3, lanes * 32);

        public IReadOnlyList<MicroBatch> Lane(long step, int lane)
        {
            // Lanes 1 and 2 meet at different nodes. (Siblings could be swapped: a + b has the bits of b + a.)
            if (step == SwappedStep && lane is (1 or 2))
                lane = 3 - lane;
            var random = new CounterRandom(3, RandomPurpose.Synthetic, (ulong)(step * 1_000 + lane));
            int[] Ids(ulong start) => [.. Enumerable.Range(0, BatchTokens).Select(i => (int)random.Below(start + (ulong)i, 48))];
            return [new MicroBatch(Ids(0), Ids(100), [.. Enumerable.Repeat((byte)1, BatchTokens)], 16)];
        }

        public IReadOnlyList<MicroBatch> Validation(int lane) => Lane(1_000_000, lane);

        public void Send(ReplicaAction message)
        {
            switch (message)
            {
                case ReplicaAction.SendJoin send:
                    Tell(c => c.Receive(send.Join));
                    break;
                case ReplicaAction.SendReport send:
                    Tell(c => c.Receive(send.Report));
                    break;
                case ReplicaAction.SendJoined send:
                    Tell(c => c.Receive(send.Joined));
                    break;
                case ReplicaAction.SendCopyFailed send:
                    Tell(c => c.Receive(send.Failed));
                    break;
                case ReplicaAction.SendReady send:
                    Ready(send.Ready);
                    break;
                case ReplicaAction.SendMomentsMissing send:
                    Tell(c => c.Receive(send.Missing));
                    break;
                case ReplicaAction.SendPeerLost send:
                    PeerLost(send.Lost);
                    break;
            }
        }

        private void Ready(Ready ready)
        {
            if (ready.Member == "r0" && ready.Step == JoinAtStep)
            {
                lock (_gate)
                {
                    if (!_workers.ContainsKey("newcomer"))
                        StartWorker("newcomer", -1);
                }
            }

            if (ready.Member == OtherMomentsAt && ready.Step == 0)
                _ = _workers[ready.Member].Ask(1, (engine, _) => Spoil(engine));
            if (ready.Member == $"r{Victim}" && ready.Step == KillAtStep)
            {
                // Dead after its READY was due but before it was sent; peers wait for its slices at the next attempt.
                string[] killed = AlsoKilled < 0 ? [ready.Member] : [ready.Member, $"r{AlsoKilled}"];
                lock (_gate)
                    _dead.UnionWith(killed);
                _ = Task.Run(async () =>
                {
                    foreach (var id in killed)
                        await _servers[id].DisposeAsync();
                    Tell(c => c.Lose(killed, "killed by the test"));
                });
            }

            lock (_gate)
            {
                if (_dead.Contains(ready.Member))
                    return;
            }

            if (LaneSeconds is not null)
                ready = ready with { LaneSeconds = LaneSeconds(ready.Member, ready.Step) };
            Tell(c =>
            {
                Heard?.Invoke(ready);
                return c.Receive(ready);
            });
        }

        private static bool Spoil(TrainingEngine engine)
        {
            foreach (ref var moment in engine.SecondMoments)
                moment *= 2;
            return true;
        }

        private void PeerLost(PeerLost lost)
        {
            lock (_gate)
            {
                if (_dead.Contains(lost.Reporter))
                    return;
            }

            Tell(c => c.Generation == lost.Generation ? c.Lose(lost.Lost, lost.Reason) : []);
        }

        public void Failed(string member, Exception error) => _finished.TrySetException(error);

        private void StartWorker(string id, long steps)
        {
            var (gradients, state) = _boards[id] = (new ExchangeBoard(1), new ExchangeBoard(StateTransfer.RunOf(1)));
            if (Sockets)
                _servers[id] = new TcpExchangeServer(gradients, new IPEndPoint(IPAddress.Loopback, 0), s_secret);
            _workers[id] = new ReplicaWorker(new Member(id, Sockets ? _servers[id].EndPoint.ToString() : id), 1, lanes, 1 << 12,
                new ReplicaStart(() => new TrainingEngine(new EngineOptions(s_shape, precision, BatchTokens, new AdamWOptions(), Checkpointing: Checkpointing), 7), null,
                    steps, BatchTokens, 16, new RunIdentity("1"), Reduction, Sharded ? member => member.Id : null),
                this, this, new ReplicaExchange(gradients, state, Connect, member => new InProcessLink(_boards[member.Id].State)));
        }

        private IPeerLink Connect(Member member) =>
            Sockets ? new RemoteLink(IPEndPoint.Parse(member.Address), s_secret) : new InProcessLink(_boards[member.Id].Gradients);

        private void Tell(Func<StepCoordinator, IReadOnlyList<CoordinatorAction>> say)
        {
            lock (_gate)
            {
                var actions = new Queue<CoordinatorAction>(say(_coordinator!));
                while (actions.TryDequeue(out var action))
                {
                    switch (action)
                    {
                        case CoordinatorAction.SendBegin send:
                            Divisions.Add(send.Begin.Assignment.ToString());
                            foreach (var member in send.To)
                                _workers[member.Id].Post(send.Begin);
                            break;
                        case CoordinatorAction.Committed committed:
                            _losses.Add(committed.Record.Loss);
                            break;
                        case CoordinatorAction.Store:
                            foreach (var next in _coordinator!.Stored())
                                actions.Enqueue(next);
                            break;
                        case CoordinatorAction.SendCommit send:
                            foreach (var member in send.To)
                                _workers[member.Id].Post(send.Commit);
                            break;
                        case CoordinatorAction.SendQuery send:
                            foreach (var member in send.To)
                                _workers[member.Id].Post(send.Query);
                            break;
                        case CoordinatorAction.SendCopy send:
                            _workers[send.To.Id].Post(send.Copy);
                            break;
                        case CoordinatorAction.Stop stop:
                            MomentsLost = stop.MomentsLost;
                            _finished.TrySetException(new InvalidOperationException(stop.Reason));
                            break;
                        case CoordinatorAction.Finished:
                            _finished.TrySetResult();
                            break;
                    }
                }
            }
        }
    }
}
