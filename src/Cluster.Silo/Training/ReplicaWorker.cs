// A replica at work: one compute thread that owns the engine and drives ReplicaStepMachine.
// Enters: BEGIN and COMMIT, from any thread; lane tokens; peers' nodes. Leaves: READY, reports of lost peers, the trained state.
// Does not know: Orleans, schedules, where peers run (it gets links by address).
using System.Collections.Concurrent;
using System.Diagnostics;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Memory;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Core.Faults;
using Cluster.Core.Models;
using Cluster.Model.Training;
using Cluster.Silo.Faults;
using Cluster.Silo.Shards;

namespace Cluster.Silo.Training;

/// <summary>The worker's way to the coordinator. Calls return at once; what they say may arrive late or, with a dead coordinator, never.</summary>
public interface ICoordinatorPort
{
    /// <summary>Passes one of the Send actions on.</summary>
    void Send(ReplicaAction message);

    /// <summary>The worker itself cannot go on.</summary>
    void Failed(string member, Exception error);
}

/// <summary>What a replica begins with.</summary>
/// <param name="MakeEngine">Makes the engine, on the compute thread; its state is the seed's.</param>
/// <param name="Load">Writes the whole starting state, moments included; null where it is the seed's.</param>
/// <param name="Steps">Steps that the starting state has applied; -1 for a newcomer, who has none and copies a peer's.</param>
/// <param name="BatchTokens">Tokens of a micro-batch.</param>
/// <param name="Context">Tokens of a sequence, for the fingerprint.</param>
/// <param name="Identity">What the replica is built and configured for; its fingerprint is added.</param>
/// <param name="Reduction">How tree nodes are stored and sent.</param>
/// <param name="HostOf">
/// Where the optimizer is sharded, whatever dies as one with a member: a slice's owner and its buddy are to differ in it. Null where every
/// replica holds the whole optimizer's state.
/// </param>
public sealed record ReplicaStart(
    Func<TrainingEngine> MakeEngine, Action<TrainingEngine>? Load, long Steps, int BatchTokens, int Context, RunIdentity Identity,
    ReductionPrecision Reduction = ReductionPrecision.Fp32, Func<Member, string>? HostOf = null);

/// <summary>Where a replica's parts are shown, and how those of its peers are reached.</summary>
/// <param name="Gradients">The own board of the reduction.</param>
/// <param name="State">The own board with the state.</param>
/// <param name="ToGradients">A link to a peer's board of the reduction; asked for anew in every generation.</param>
/// <param name="ToState">A link to a peer's state.</param>
public sealed record ReplicaExchange(ExchangeBoard Gradients, ExchangeBoard State, Func<Member, IPeerLink> ToGradients, Func<Member, IPeerLink> ToState);

/// <summary>One replica.</summary>
public sealed class ReplicaWorker : IAsyncDisposable
{
    private readonly BlockingCollection<Action> _inbox = new();
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ReplicaStart _start;
    private readonly IStepSource _source;
    private readonly ICoordinatorPort _coordinator;
    private readonly ReplicaExchange _peers;
    private readonly IStepWatch? _watch;
    private readonly StepTrace? _trace;
    private readonly StepAudit _audit;
    private readonly LaneTree _tree;
    private readonly ulong _run;
    private readonly int _sliceLength;
    // A silent data connection is no sign of death while the machine is busy; servers answer pings without the compute thread.
    private readonly StallLimit _limit = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(1));
    private readonly Dictionary<int, double> _losses = [];
    private readonly List<(long Steps, Action Answer)> _asked = [];
    private TrainingEngine? _engine;
    private ReplicaStepMachine? _machine;
    private NodeStore? _nodes;
    private GradientExchange? _exchange;
    private SlicePlan? _slices;
    private IBufferSource? _buffers;
    private Memory<float> _reduced;
    private IReadOnlyList<(string Part, long Bytes)> _memory = [];
    private Dictionary<string, IPeerLink> _links = new(StringComparer.Ordinal);
    private (long Term, long Generation) _linksOf;
    private Memory<float> _updated;
    private StateTransfer? _state;
    private OptimizerShards? _shards;
    private Busy? _busy;
    private double _norm;
    private long _begunAt, _readyAt, _heardAt, _coordinationTicks, _computeTicks, _waitTicks, _dataTicks, _reduceTicks, _optimizerTicks, _stepsApplied;
    private long _bytesInProcess, _bytesShared, _bytesTcp;
    private (long Ticks, int Lanes) _computed;
    private int _reminding;

    /// <param name="member">Who this replica is.</param>
    /// <param name="run">Hash of the run's identity.</param>
    /// <param name="lanes">Lanes of the recipe.</param>
    /// <param name="sliceLength">Floats of a slice of the exchange.</param>
    /// <param name="start">The engine and its state.</param>
    /// <param name="source">Tokens by step and lane.</param>
    /// <param name="coordinator">Whom to tell.</param>
    /// <param name="peers">The data plane.</param>
    /// <param name="watch">Told where in a step the replica is, or null.</param>
    public ReplicaWorker(
        Member member, ulong run, int lanes, int sliceLength, ReplicaStart start, IStepSource source, ICoordinatorPort coordinator, ReplicaExchange peers,
        IStepWatch? watch = null)
        : this(member, run, lanes, sliceLength, start, source, coordinator, peers, watch, trace: null)
    {
    }

    /// <summary>With a trace of some of its steps.</summary>
    internal ReplicaWorker(
        Member member, ulong run, int lanes, int sliceLength, ReplicaStart start, IStepSource source, ICoordinatorPort coordinator, ReplicaExchange peers,
        IStepWatch? watch, StepTrace? trace)
    {
        (_watch, _trace) = (watch, trace);
        Member = member;
        (_run, _sliceLength, _start, _source, _coordinator, _peers) = (run, sliceLength, start, source, coordinator, peers);
        _tree = new LaneTree(lanes);
        _audit = new StepAudit(step => source.Plan(step).Tokens);
        _heardAt = Stopwatch.GetTimestamp();
        _thread = new Thread(Loop) { IsBackground = true, Name = $"replica {member.Id}" };
        _thread.Start();
    }

    /// <summary>Who this replica is.</summary>
    public Member Member { get; }

    /// <summary>Lane gradients computed so far.</summary>
    public long LanesComputed { get; private set; }

    /// <summary>Time from READY to the COMMIT that answered it, over all steps: what waiting for others and for the coordinator cost.</summary>
    public TimeSpan CoordinationTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _coordinationTicks));

    /// <summary>Time in lane gradients and optimizer steps.</summary>
    public TimeSpan ComputeTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _computeTicks));

    /// <summary>Time in which training waited for tokens, or for its state to be read: copied for a checkpoint, validated.</summary>
    public TimeSpan WaitTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _waitTicks));

    /// <summary>Steps applied so far.</summary>
    public long StepsApplied => Volatile.Read(ref _stepsApplied);

    /// <summary>Tokens of steps that its state lacks, and of steps that it has twice: see <see cref="StepAudit"/>.</summary>
    public (long Lost, long Repeated) Audit => (_audit.Lost, _audit.Repeated);

    /// <summary>Where the compute thread's time went, by a fixed set of names.</summary>
    public IReadOnlyList<(string Phase, TimeSpan Time)> Times
    {
        get
        {
            long data = Volatile.Read(ref _dataTicks), optimizer = Volatile.Read(ref _optimizerTicks);
            return
            [
                ("data", Elapsed(data)), ("compute", Elapsed(Volatile.Read(ref _computeTicks) - optimizer)), ("reduce", Elapsed(Volatile.Read(ref _reduceTicks))),
                ("optimizer", Elapsed(optimizer)), ("read", Elapsed(Volatile.Read(ref _waitTicks) - data)), ("wait", CoordinationTime),
            ];

            static TimeSpan Elapsed(long ticks) => Stopwatch.GetElapsedTime(0, Math.Max(0, ticks));
        }
    }

    /// <summary>Gradient bytes read from peers, by how they got here.</summary>
    public IReadOnlyList<(string Transport, long Bytes)> BytesRead =>
        [("in_process", Volatile.Read(ref _bytesInProcess)), ("shared_memory", Volatile.Read(ref _bytesShared)), ("tcp", Volatile.Read(ref _bytesTcp))];

    /// <summary>
    /// Bytes that the replica has allocated by what they are: weights with the copy that products read, moments that it holds, gradients (lanes'
    /// sums, the reduced one and, where the optimizer is sharded, its slices of the parameters after the step), activations.
    /// </summary>
    public IReadOnlyList<(string Part, long Bytes)> MemoryBytes => Volatile.Read(ref _memory);

    /// <summary>How long a silence has lasted: since the coordinator's last message.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Volatile.Read(ref _heardAt));

    /// <summary>Handles a BEGIN; one that does not name this replica is for an earlier life of its key.</summary>
    public void Post(BeginStep begin)
    {
        if (begin.Members.PlaceOf(Member.Id) >= 0)
            Hear(begin.Term, begin.Generation, m => m.Receive(begin));
    }

    /// <summary>Handles a COMMIT.</summary>
    public void Post(Commit commit) => Hear(commit.Term, commit.Generation, m => m.Receive(commit));

    /// <summary>Handles a QUERY.</summary>
    public void Post(Query query) => Hear(query.Term, query.Generation, m => m.Receive(query));

    /// <summary>Handles a COPY.</summary>
    public void Post(CopyState copy) => Hear(copy.Term, copy.Generation, m => m.Receive(copy));

    /// <summary>Handles an eviction.</summary>
    public void Post(Evicted evicted) => Hear(evicted.Term, evicted.Generation, m => m.Receive(evicted));

    /// <summary>Handles a refusal.</summary>
    public void Refused(string reason) => Hear(long.MaxValue, 0, m => m.Refused(reason));

    /// <summary>Says again what was said last. To be called now and then where nothing is heard; a busy replica answers when it is done.</summary>
    public void Remind()
    {
        if (Interlocked.Exchange(ref _reminding, 1) == 0)
            Add(() => Do(_machine!.Remind(), 0));
    }

    /// <summary>Sums some lanes' validation losses, in nats, with their unmasked tokens, once that many steps are applied.</summary>
    public Task<(double[] Losses, long[] Tokens)> EvaluateAsync(long steps, int firstLane, int lanes) => Ask(steps, (engine, _) =>
    {
        var losses = new double[lanes];
        var tokens = new long[lanes];
        for (var i = 0; i < lanes; i++)
        {
            foreach (var batch in _source.Validation(firstLane + i))
            {
                losses[i] += engine.Loss(batch);
                tokens[i] += batch.Mask.Count(m => m != 0);
            }
        }

        return (losses, tokens);
    });

    /// <summary>
    /// Runs something over the engine on the compute thread, between two steps, as soon as at least that many steps are applied. (A
    /// step is committed before it is applied: who asks right after a COMMIT would otherwise see the state before it.)
    /// </summary>
    public Task<T> Ask<T>(long steps, Func<TrainingEngine, long, T> read)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Add(() => _asked.Add((steps, () =>
        {
            try
            {
                answer.SetResult(read(_engine!, _machine!.Applied));
            }
            catch (Exception error)
            {
                answer.SetException(error);
            }
        }
        )));
        return answer.Task;
    }

    /// <summary>
    /// Copies the whole state between two steps, as <see cref="Ask"/> does. Moments that others hold are read from them: until this replica
    /// goes on, none of them can have gone further than the step at hand.
    /// </summary>
    /// <param name="steps">Steps that must be applied.</param>
    /// <param name="take">Gives the engine's vectors room: parameters, first and second moments.</param>
    public Task<T> AskWhole<T>(long steps, Func<TrainingEngine, long, (T Result, Memory<float>[] Room)> take) => Ask(steps, (engine, applied) =>
    {
        var (result, room) = take(engine, applied);
        engine.Parameters.CopyTo(room[0].Span);
        if (_shards is { } shards)
        {
            shards.CollectAsync(applied, room[1], room[2], _limit.Value).GetAwaiter().GetResult();
        }
        else
        {
            engine.FirstMoments.CopyTo(room[1].Span);
            engine.SecondMoments.CopyTo(room[2].Span);
        }

        return result;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _inbox.CompleteAdding();
        Volatile.Read(ref _busy)?.Interrupt();
        await _ended.Task.ConfigureAwait(false);
        foreach (var link in _links.Values)
            await link.DisposeAsync().ConfigureAwait(false);
        _inbox.Dispose();
    }

    private void Loop()
    {
        try
        {
            using var engine = _engine = _start.MakeEngine();
            _slices = SlicePlan.Of(engine.Length, _start.Reduction, _sliceLength);
            var buffers = _buffers = _peers.Gradients.CreateBuffers(_slices, _tree.Lanes);
            _nodes = new NodeStore(_tree, engine.Length, buffers, _start.Reduction);
            _exchange = new GradientExchange(_peers.Gradients, _slices, _watch is null ? null : phase => _watch.Reached(phase, _nodes.Step));
            _state = new StateTransfer(_peers.State, _run, new SlicePlan(engine.Length, _sliceLength));
            _reduced = buffers.Allocate();
            var fingerprint = Fingerprint.Of(engine, _start.BatchTokens, _start.Context, _nodes.BeginLane(0));
            _nodes.AbandonLane(0);
            // The fingerprint has moved the engine by a step.
            if (_start.Load is { } load)
                load(engine);
            else
                engine.Reset();
            _state.Withdraw(_start.Steps);
            _state.Publish(engine);
            _audit.Stands(_start.Steps);
            if (_start.HostOf is { } hostOf)
                _shards = new OptimizerShards(engine, _slices, _peers.Gradients, _state, hostOf);
            if (_start.Steps < 0)
                _shards?.Forget();
            Measure(null);
            _machine = new ReplicaStepMachine(Member, _start.Identity with { Fingerprint = fingerprint }, _start.Steps);
            Do(_machine.Start(), 0);
            foreach (var work in _inbox.GetConsumingEnumerable())
            {
                work();
                Volatile.Write(ref _reminding, 0);
                Answer();
            }
        }
        catch (Exception error)
        {
            _coordinator.Failed(Member.Id, error);
        }
        finally
        {
            _ended.SetResult();
        }
    }

    private void Hear(long term, long generation, Func<ReplicaStepMachine, IReadOnlyList<ReplicaAction>> decide)
    {
        var now = Stopwatch.GetTimestamp();
        Volatile.Write(ref _heardAt, now);
        // What is under way ends early only for what comes after it.
        if (Volatile.Read(ref _busy) is { } busy && (term, generation).CompareTo((busy.Term, busy.Generation)) > 0)
            busy.Interrupt();
        Add(() => Do(decide(_machine!), now));
    }

    private void Add(Action work)
    {
        try
        {
            _inbox.TryAdd(work);
        }
        catch (InvalidOperationException)
        {
            // The worker is closing.
        }
    }

    /// <param name="actions">To carry out.</param>
    /// <param name="heardAt">When the message came that they answer.</param>
    private void Do(IReadOnlyList<ReplicaAction> actions, long heardAt)
    {
        foreach (var action in actions)
        {
            switch (action)
            {
                case ReplicaAction.Apply apply:
                    Apply(apply.Step, heardAt);
                    break;
                case ReplicaAction.Work work:
                    Work(work.Begin);
                    break;
                case ReplicaAction.Abandon:
                    // Whoever still reads gets what was published; nothing new is.
                    _peers.Gradients.Withdraw();
                    break;
                case ReplicaAction.Copy copy:
                    Copy(copy.From);
                    break;
                case ReplicaAction.SendJoin send:
                    _coordinator.Send(send with { Join = send.Join with { StateHash = StateHash() } });
                    break;
                case ReplicaAction.SendReport send:
                    _coordinator.Send(send with { Report = send.Report with { StateHash = StateHash(), Moments = _shards?.Held } });
                    break;
                case ReplicaAction.SendReady:
                    _watch?.Reached(StepPhase.Ready, _nodes!.Step);
                    _readyAt = Stopwatch.GetTimestamp();
                    _trace?.Phase("wait");
                    _coordinator.Send(action);
                    break;
                case ReplicaAction.Quit quit:
                    throw new InvalidOperationException(quit.Reason);
                default:
                    _coordinator.Send(action);
                    break;
            }
        }
    }

    private void Apply(long step, long heardAt)
    {
        _watch?.Reached(StepPhase.Commit, step);
        if (_readyAt > 0 && heardAt > _readyAt)
            _coordinationTicks += heardAt - _readyAt;
        _readyAt = 0;
        if (_begunAt > 0)
            _limit.Observe(Stopwatch.GetElapsedTime(_begunAt));
        _begunAt = 0;
        _trace?.Phase("optimizer");
        var start = Stopwatch.GetTimestamp();
        _state!.Withdraw(step + 1);
        var rate = _source.Plan(step).LearningRate;
        if (_shards is { } shards)
            shards.Apply(_reduced.Span, _norm, rate, step + 1);
        else
            _engine!.Apply(_nodes!.Numbers(_reduced.Span), _norm, rate, step + 1);
        _audit.Applied(step);
        _watch?.Reached(StepPhase.Apply, step);
        _state.Publish(_engine!);
        _watch?.Applied(step);
        var took = Stopwatch.GetTimestamp() - start;
        _computeTicks += took;
        _optimizerTicks += took;
        _stepsApplied++;
        _trace?.End();
    }

    private void Copy(CopyState from)
    {
        var busy = new Busy(from.Term, from.Generation);
        Volatile.Write(ref _busy, busy);
        try
        {
            _state!.Withdraw(from.Committed.Steps);
            _shards?.Forget();
            var link = _peers.ToState(from.Donor);
            try
            {
                link.AnswerLimit = _limit.Value;
                _state.CopyAsync(link, from.Committed.Steps, _engine!, withMoments: _shards is null, busy.Token).GetAwaiter().GetResult();
            }
            finally
            {
                link.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }

            _state.Publish(_engine!);
            _audit.Stands(from.Committed.Steps);
            Do(_machine!.Copied(from, StateHash()), 0);
        }
        catch (Exception error) when (error is IOException or StaleKeyException or OperationCanceledException)
        {
            Do(_machine!.CopyFailed(from, error.Message), 0);
        }
        finally
        {
            Volatile.Write(ref _busy, null);
            busy.Dispose();
        }
    }

    /// <summary>Every member's is the same; moments that only some hold have no part in it, and are compared where they are copied.</summary>
    private string StateHash() => _shards is not null ? GradientHash.Of(_engine!.Parameters) : $"{GradientHash.Of(_engine!.Parameters)}:{GradientHash.Of(_engine.FirstMoments)}:{GradientHash.Of(_engine.SecondMoments)}";

    private void Answer()
    {
        for (var i = _asked.Count - 1; i >= 0; i--)
        {
            if (_asked[i].Steps > _machine!.Applied)
                continue;
            var start = Stopwatch.GetTimestamp();
            _asked[i].Answer();
            _waitTicks += Stopwatch.GetTimestamp() - start;
            _asked.RemoveAt(i);
        }
    }

    private void Work(BeginStep begin)
    {
        // Between applying a step and working on the next: the last chance to read a state that a long reduction would hold back.
        Answer();
        var busy = new Busy(begin.Term, begin.Generation);
        Volatile.Write(ref _busy, busy);
        _begunAt = Stopwatch.GetTimestamp();
        _computed = default;
        _trace?.Begin(begin);
        try
        {
            var key = new ExchangeKey(_run, begin.Term, begin.Generation, begin.Step);
            _peers.Gradients.Advance(key);
            if (_nodes!.Step != begin.Step)
                _losses.Clear();
            _nodes.BeginStep(begin.Step);
            var place = begin.Members.PlaceOf(Member.Id);
            var range = begin.Assignment[place];
            _nodes.Retain(range);
            var sharding = _shards?.Begin(begin, place, _peers.ToState);
            _trace?.Phase("data");
            var asked = Stopwatch.GetTimestamp();
            var plan = _source.Plan(begin.Step);
            var waited = Stopwatch.GetTimestamp() - asked;
            _waitTicks += waited;
            _dataTicks += waited;
            for (var lane = range.Start; lane < range.End; lane++)
            {
                // A message is waiting: if it is a new generation this step is left, if not the loop comes back to it.
                if (busy.Token.IsCancellationRequested)
                    return;
                if (!_nodes.Holds(lane))
                    ComputeLane(lane, plan);
            }

            _trace?.Phase("reduce");
            var links = Links(begin);
            var reducing = Stopwatch.GetTimestamp();
            var missing = _shards?.GatherAsync(key, links, _limit.Value, busy.Token).GetAwaiter().GetResult() ?? -1;
            if (missing >= 0)
            {
                Do(_machine!.Misses(begin, missing), 0);
                return;
            }

            var update = sharding is null ? null : new ShardedUpdate(sharding, Updated(), (slice, gradient, total, updated) =>
                _engine!.Preview(_slices!.StartOf(slice), gradient, total, plan.LearningRate, begin.Step + 1, updated));
            var (hash, norm, parameters) = _exchange!.ReduceAsync(key, begin.Assignment, place, links, _nodes, _reduced, update, busy.Token).GetAwaiter().GetResult();
            _reduceTicks += Stopwatch.GetTimestamp() - reducing;
            CountBytes(links);
            Measure(sharding is null ? null : (place, sharding.Members));
            _norm = norm;
            double[] losses = [.. Enumerable.Range(range.Start, range.Count).Select(lane => _losses[lane])];
            var laneSeconds = _computed.Lanes == 0 ? 0 : Stopwatch.GetElapsedTime(0, _computed.Ticks).TotalSeconds / _computed.Lanes;
            Do(_machine!.Reduced(begin, hash, losses, norm, laneSeconds, parameters), 0);
        }
        catch (OperationCanceledException)
        {
            // A new generation is waiting in the inbox, or the worker is closing.
        }
        catch (PeerLostException lost)
        {
            Do(_machine!.Lost(begin, begin.Members[lost.Member].Id, lost.Message), 0);
        }
        finally
        {
            Volatile.Write(ref _busy, null);
            busy.Dispose();
        }
    }

    /// <summary>Where the own slices' parameters after the step lie until they are current; memory is taken where it is first written to.</summary>
    private Memory<float> Updated() => _updated.IsEmpty ? _updated = _buffers!.Allocate() : _updated;

    /// <summary>Notes what the replica takes.</summary>
    private void Measure((int Place, int Members)? sharding)
    {
        var length = (long)_engine!.Length;
        var updated = 0L;
        if (sharding is { } of)
        {
            var (first, count) = _slices!.OwnedBy(of.Place, of.Members);
            for (var slice = first; slice < first + count; slice++)
                updated += _slices[slice].Length;
        }

        _memory =
        [
            ("weights", _engine.WeightBytes), ("moments", 2 * sizeof(float) * (_shards?.HeldFloats ?? length)),
            ("gradients", _nodes!.AllocatedBytes + sizeof(float) * (_reduced.Length + updated)), ("activations", _engine.ActivationBytes),
        ];
    }

    private void ComputeLane(int lane, StepPlan plan)
    {
        var gradient = _nodes!.BeginLane(lane);
        double loss = 0;
        _trace?.Phase("data");
        var asked = Stopwatch.GetTimestamp();
        var batches = _source.Lane(plan.Step, lane);
        var start = Stopwatch.GetTimestamp();
        _waitTicks += start - asked;
        _dataTicks += start - asked;
        _trace?.Phase("compute");
        var add = false;
        foreach (var batch in batches)
        {
            loss += _engine!.Gradient(batch, 1.0 / plan.Tokens, gradient, add);
            add = true;
        }

        if (!add)
            gradient.Clear();
        // A fault that makes the replica slow is a part of what a lane takes.
        _watch?.Reached(StepPhase.Backward, plan.Step);
        var took = Stopwatch.GetTimestamp() - start;
        _computeTicks += took;
        _computed = (_computed.Ticks + took, _computed.Lanes + 1);
        _losses[lane] = loss;
        _nodes.CompleteLane(lane);
        _watch?.Computed(plan.Step, lane);
        LanesComputed++;
    }

    private void CountBytes(List<IPeerLink?> links)
    {
        for (var member = 0; member < links.Count; member++)
        {
            switch (links[member])
            {
                case null:
                    break;
                case RemoteLink { Transport: Transport.Tcp }:
                    _bytesTcp += _exchange!.BytesFrom(member);
                    break;
                case RemoteLink:
                    _bytesShared += _exchange!.BytesFrom(member);
                    break;
                default:
                    _bytesInProcess += _exchange!.BytesFrom(member);
                    break;
            }
        }
    }

    /// <summary>Links are made anew in each generation, so that nothing of an earlier one arrives in it [12].</summary>
    private List<IPeerLink?> Links(BeginStep begin)
    {
        if (_linksOf != (begin.Term, begin.Generation))
        {
            foreach (var link in _links.Values)
                link.DisposeAsync().AsTask().GetAwaiter().GetResult();
            _links = begin.Members.Where(m => m.Id != Member.Id).ToDictionary(m => m.Id, _peers.ToGradients, StringComparer.Ordinal);
            _linksOf = (begin.Term, begin.Generation);
        }

        foreach (var link in _links.Values)
            link.AnswerLimit = _limit.Value;
        return [.. begin.Members.Select(m => _links.GetValueOrDefault(m.Id))];
    }

    /// <summary>What the compute thread is at, for those who may end it.</summary>
    private sealed class Busy(long term, long generation) : IDisposable
    {
        private readonly CancellationTokenSource _source = new();

        public long Term => term;

        public long Generation => generation;

        public CancellationToken Token => _source.Token;

        public void Interrupt()
        {
            try
            {
                _source.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It ended by itself between the read and the call.
            }
        }

        public void Dispose() => _source.Dispose();
    }
}
