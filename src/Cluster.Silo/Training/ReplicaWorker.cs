// A replica at work: one compute thread that owns the engine and drives ReplicaStepMachine.
// Enters: BEGIN and COMMIT, from any thread; lane tokens; peers' nodes. Leaves: READY, reports of lost peers, the trained state.
// Does not know: Orleans, schedules, where peers run (it gets links by address).
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Model.Training;
using Cluster.Silo.Shards;

namespace Cluster.Silo.Training;

/// <summary>The worker's way to the coordinator. Calls return at once; what they say may arrive late or, with a dead coordinator, never.</summary>
public interface ICoordinatorPort
{
    /// <summary>The replica exists and may take part.</summary>
    void Join(Join join);

    /// <summary>The reduced gradient is here.</summary>
    void Ready(Ready ready);

    /// <summary>A peer of this generation failed.</summary>
    void PeerLost(string reporter, string lost, long generation, string reason);

    /// <summary>The worker itself cannot go on.</summary>
    void Failed(string member, Exception error);
}

/// <summary>What a replica begins with.</summary>
/// <param name="MakeEngine">Makes the engine, on the compute thread; its state is the seed's.</param>
/// <param name="Load">Writes the whole starting state, moments included; null where it is the seed's.</param>
/// <param name="Steps">Steps that the starting state has applied.</param>
/// <param name="BatchTokens">Tokens of a micro-batch.</param>
/// <param name="Context">Tokens of a sequence, for the fingerprint.</param>
public sealed record ReplicaStart(Func<TrainingEngine> MakeEngine, Action<TrainingEngine>? Load, long Steps, int BatchTokens, int Context);

/// <summary>One replica.</summary>
public sealed class ReplicaWorker : IAsyncDisposable
{
    private readonly BlockingCollection<Action> _inbox = new();
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ReplicaStart _start;
    private readonly IStepSource _source;
    private readonly ICoordinatorPort _coordinator;
    private readonly ExchangeBoard _board;
    private readonly Func<Member, IPeerLink> _connect;
    private readonly LaneTree _tree;
    private readonly ulong _run;
    private readonly int _sliceLength;
    private readonly Dictionary<int, double> _losses = [];
    private readonly List<(long Steps, Action Answer)> _asked = [];
    private TrainingEngine? _engine;
    private ReplicaStepMachine? _machine;
    private NodeStore? _nodes;
    private GradientExchange? _exchange;
    private SlicePlan? _slices;
    private Memory<float> _reduced;
    private Dictionary<string, IPeerLink> _links = new(StringComparer.Ordinal);
    private long _linksGeneration = -1;
    private CancellationTokenSource? _reducing;
    private double _norm;
    private long _readyAt, _coordinationTicks, _computeTicks;

    /// <param name="member">Who this replica is.</param>
    /// <param name="run">Hash of the run's identity.</param>
    /// <param name="lanes">Lanes of the recipe.</param>
    /// <param name="sliceLength">Floats of a slice of the exchange.</param>
    /// <param name="start">The engine and its state.</param>
    /// <param name="source">Tokens by step and lane.</param>
    /// <param name="coordinator">Whom to tell.</param>
    /// <param name="board">Where this replica's parts are published.</param>
    /// <param name="connect">A link to a peer; asked for anew in every generation.</param>
    public ReplicaWorker(
        Member member, ulong run, int lanes, int sliceLength, ReplicaStart start, IStepSource source,
        ICoordinatorPort coordinator, ExchangeBoard board, Func<Member, IPeerLink> connect)
    {
        Member = member;
        (_run, _sliceLength, _start, _source, _coordinator, _board, _connect) = (run, sliceLength, start, source, coordinator, board, connect);
        _tree = new LaneTree(lanes);
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

    /// <summary>Handles a BEGIN.</summary>
    public void Post(BeginStep begin)
    {
        InterruptFor(begin.Term, begin.Generation);
        var now = Stopwatch.GetTimestamp();
        _inbox.TryAdd(() => Do(_machine!.Receive(begin), now));
    }

    /// <summary>Handles a COMMIT.</summary>
    public void Post(Commit commit)
    {
        var now = Stopwatch.GetTimestamp();
        _inbox.TryAdd(() => Do(_machine!.Receive(commit), now));
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
        _inbox.Add(() => _asked.Add((steps, () =>
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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _inbox.CompleteAdding();
        Interrupt();
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
            _slices = new SlicePlan(engine.Length, _sliceLength);
            var buffers = _board.CreateBuffers(_slices, _tree.Lanes);
            _nodes = new NodeStore(_tree, engine.Length, buffers);
            _exchange = new GradientExchange(_board, _slices);
            _reduced = buffers.Allocate();
            var fingerprint = Fingerprint.Of(engine, _start.BatchTokens, _start.Context, _reduced.Span);
            // The fingerprint has moved the engine by a step.
            if (_start.Load is { } load)
                load(engine);
            else
                engine.Reset();
            _machine = new ReplicaStepMachine(
                Member, new RunIdentity(_run.ToString("x16", CultureInfo.InvariantCulture), Fingerprint: fingerprint), _start.Steps);
            Do(_machine.Start());
            foreach (var work in _inbox.GetConsumingEnumerable())
            {
                work();
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

    /// <param name="actions">To carry out.</param>
    /// <param name="heardAt">When the message came that they answer.</param>
    private void Do(IReadOnlyList<ReplicaAction> actions, long heardAt = 0)
    {
        foreach (var action in actions)
        {
            switch (action)
            {
                case ReplicaAction.Apply apply:
                    if (_readyAt > 0)
                        _coordinationTicks += heardAt - _readyAt;
                    _readyAt = 0;
                    var start = Stopwatch.GetTimestamp();
                    _engine!.Apply(_reduced.Span, _norm, _source.Plan(apply.Step).LearningRate, apply.Step + 1);
                    _computeTicks += Stopwatch.GetTimestamp() - start;
                    break;
                case ReplicaAction.Work work:
                    Work(work.Begin);
                    break;
                case ReplicaAction.SendJoin send:
                    _coordinator.Join(send.Join with { StateHash = StateHash() });
                    break;
                case ReplicaAction.SendReady send:
                    _readyAt = Stopwatch.GetTimestamp();
                    _coordinator.Ready(send.Ready);
                    break;
                case ReplicaAction.SendPeerLost send:
                    _coordinator.PeerLost(Member.Id, send.Lost.Lost, send.Lost.Generation, send.Lost.Reason);
                    break;
                case ReplicaAction.Quit quit:
                    throw new InvalidOperationException(quit.Reason);
            }
        }
    }

    private string StateHash() => $"{GradientHash.Of(_engine!.Parameters)}:{GradientHash.Of(_engine.FirstMoments)}:{GradientHash.Of(_engine.SecondMoments)}";

    private void Answer()
    {
        for (var i = _asked.Count - 1; i >= 0; i--)
        {
            if (_asked[i].Steps > _machine!.Applied)
                continue;
            _asked[i].Answer();
            _asked.RemoveAt(i);
        }
    }

    private void Work(BeginStep begin)
    {
        // Between applying a step and working on the next: the last chance to read a state that a long reduction would hold back.
        Answer();
        using var reducing = new CancellationTokenSource();
        Volatile.Write(ref _reducing, reducing);
        try
        {
            var key = new ExchangeKey(_run, begin.Term, begin.Generation, begin.Step);
            _board.Advance(key);
            if (_nodes!.Step != begin.Step)
                _losses.Clear();
            _nodes.BeginStep(begin.Step);
            var place = IndexOf(begin.Members, Member.Id);
            var range = begin.Assignment[place];
            _nodes.Retain(range);
            var plan = _source.Plan(begin.Step);
            for (var lane = range.Start; lane < range.End; lane++)
            {
                // A message is waiting: if it is a new generation this step is left, if not the loop comes back to it.
                if (reducing.IsCancellationRequested)
                    return;
                if (!_nodes.Holds(lane))
                    ComputeLane(lane, plan);
            }

            var (hash, norm) = _exchange!.ReduceAsync(key, begin.Assignment, place, Links(begin), _nodes, _reduced, reducing.Token)
                .GetAwaiter().GetResult();
            _norm = norm;
            double[] losses = [.. Enumerable.Range(range.Start, range.Count).Select(lane => _losses[lane])];
            Do(_machine!.Reduced(begin, hash, losses, norm));
        }
        catch (OperationCanceledException)
        {
            // A new generation is waiting in the inbox, or the worker is closing.
        }
        catch (PeerLostException lost)
        {
            Do(_machine!.Lost(begin, begin.Members[lost.Member].Id, lost.Message));
        }
        finally
        {
            Volatile.Write(ref _reducing, null);
        }
    }

    private void ComputeLane(int lane, StepPlan plan)
    {
        var gradient = _nodes!.BeginLane(lane);
        gradient.Clear();
        double loss = 0;
        var batches = _source.Lane(plan.Step, lane);
        var start = Stopwatch.GetTimestamp();
        var add = false;
        foreach (var batch in batches)
        {
            loss += _engine!.Gradient(batch, 1.0 / plan.Tokens, gradient, add);
            add = true;
        }

        if (!add)
            gradient.Clear();
        _computeTicks += Stopwatch.GetTimestamp() - start;
        _losses[lane] = loss;
        _nodes.CompleteLane(lane);
        LanesComputed++;
    }

    /// <summary>Links are made anew in each generation, so that nothing of an earlier one arrives in it [12].</summary>
    private List<IPeerLink?> Links(BeginStep begin)
    {
        if (_linksGeneration != begin.Generation)
        {
            foreach (var link in _links.Values)
                link.DisposeAsync().AsTask().GetAwaiter().GetResult();
            _links = begin.Members.Where(m => m.Id != Member.Id).ToDictionary(m => m.Id, _connect, StringComparer.Ordinal);
            _linksGeneration = begin.Generation;
        }

        return [.. begin.Members.Select(m => _links.GetValueOrDefault(m.Id))];
    }

    private void InterruptFor(long term, long generation)
    {
        if (_machine?.Current is not { } current || (term, generation).CompareTo((current.Term, current.Generation)) > 0)
            Interrupt();
    }

    private void Interrupt()
    {
        try
        {
            Volatile.Read(ref _reducing)?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The step ended by itself between the read and the call.
        }
    }

    private static int IndexOf(IReadOnlyList<Member> members, string id)
    {
        for (var i = 0; i < members.Count; i++)
        {
            if (members[i].Id == id)
                return i;
        }

        throw new InvalidOperationException($"Replica {id} was told to begin a step that it is no member of.");
    }
}
