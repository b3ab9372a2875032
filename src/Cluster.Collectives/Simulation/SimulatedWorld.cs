using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Core.Randomness;

namespace Cluster.Collectives.Simulation;

/// <summary>
/// The scheduler: one seeded order of events over processes, activations of the coordinator, a store and a network, with faults. Time
/// is a number; nothing runs but the handler of the event at hand.
/// </summary>
internal sealed class SimulatedWorld
{
    /// <summary>Faults end before this time.</summary>
    private const int Calm = 1_200;

    /// <summary>Everything must be done by then, or there is no progress.</summary>
    private const int Deadline = Calm + 20_000;

    private static readonly Oracle?[] s_oracles = new Oracle?[MaxLanes + 1];
    private const int MaxLanes = 8, MaxSteps = 20;
    private readonly CounterRandom _random;
    private readonly EventQueue _events = new();
    private readonly List<SimulatedReplica> _replicas = [];
    private readonly List<SimulatedCoordinator> _activations = [];
    private readonly List<SimulatedFault> _faults;
    private readonly List<string>? _trace;
    private readonly IReadOnlyList<LaneRange>?[] _nodes;
    private readonly Dictionary<LaneAssignment, (int Nodes, IReadOnlyList<Addition> Additions)> _layouts;
    private readonly int[] _side = new int[64];
    private readonly ShardPlan?[] _plans = new ShardPlan?[64];
    private long _checkpoint;
    private int _rollbacks;
    private readonly List<string> _draining = [];
    private ulong _draws, _hash;
    private int _order, _dropping, _duplicating, _delaying, _timeouts, _halted;
    private (int A, int B)? _broken;
    private int _handled, _storeSide = -1, _corrupting;

    public SimulatedWorld(ulong seed, SimulationOptions options)
    {
        (Seed, Bug, Sharded) = (seed, options.Bug, options.ShardOptimizer);
        _random = new CounterRandom(seed, RandomPurpose.Synthetic, 0);
        Starters = 1 + Draw(5);
        Lanes = 1 + Draw(MaxLanes);
        Steps = 3 + Draw(MaxSteps - 2);
        FirstHalt = 1 + Draw(Steps);
        Tree = new LaneTree(Lanes);
        Oracle = Volatile.Read(ref s_oracles[Lanes]) ?? (s_oracles[Lanes] = new Oracle(Lanes, MaxSteps));
        _nodes = new IReadOnlyList<LaneRange>?[(Lanes + 1) * (Lanes + 1)];
        _layouts = [];
        Checker = new InvariantChecker(Oracle);
        _trace = options.Trace ? [] : null;
        // The faults are drawn before anything runs, so that leaving one out changes no other.
        _faults = options.Only is { } only ? [.. only] : options.Faults ? DrawFaults(options.StoreLosesData) : [];
    }

    public ulong Seed { get; }

    public PlantedBug Bug { get; }

    /// <summary>Whether replicas share the optimizer's state.</summary>
    public bool Sharded { get; }

    /// <summary>Of the job at hand: a run that was rolled back goes on as another one.</summary>
    public RunIdentity Identity => new($"run {_rollbacks}", "1", "recipe", "shape", "fingerprint");

    /// <summary>Where the job at hand began, if the run was rolled back.</summary>
    public long? RolledBackTo { get; private set; }

    /// <summary>Replicas that the job at hand began with, if the run was rolled back.</summary>
    public int Restarted { get; private set; }

    public int Starters { get; }

    public int Lanes { get; }

    public int Steps { get; }

    /// <summary>The first step that the stage's driver asks for; then it asks for the last.</summary>
    public int FirstHalt { get; }

    public LaneTree Tree { get; }

    public Oracle Oracle { get; }

    public InvariantChecker Checker { get; }

    public SimulatedStore Store { get; } = new();

    public int Now { get; private set; }

    public int RemindEvery => 120;

    public int CopyLimit => 400;

    public IReadOnlyList<SimulatedReplica> Replicas => _replicas;

    public IReadOnlyList<SimulatedFault> Faults => _faults;

    /// <summary>How often any process has come to compute faster or slower.</summary>
    public int SpeedChanges { get; private set; }

    private string? Stopped { get; set; }

    public SimulationResult Run()
    {
        string? violation = null;
        try
        {
            for (var i = 0; i < Starters; i++)
                AddReplica();
            After(1, EventKind.Poll, 0, 0, 0, null);
            for (var i = 0; i < _faults.Count; i++)
                _events.Add(new SimulatedEvent(_faults[i].Time, _order++, EventKind.Fault, 0, 0, i, null));
            while (!Done())
            {
                if (Now > Deadline)
                    InvariantChecker.Broken($"no progress: step {Checker.Committed} of {Steps} is committed long after the faults have ended ({WhereAll()})");
                Handle(_events.Take());
            }

            if (Stopped is null)
                Checker.LanesAddUp(Lanes, _replicas, Store.LostData);
        }
        catch (InvariantBrokenException broken)
        {
            violation = broken.Message;
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException or NullReferenceException
            or IndexOutOfRangeException or KeyNotFoundException)
        {
            violation = $"a machine failed: {error.Message}";
        }

        if (violation is not null)
            Note($"BROKEN: {violation}");
        return new SimulationResult(
            Seed, violation, Stopped, Checker.Committed, Checker.Committed == Steps, _handled, _hash, _faults.ConvertAll(f => f.ToString()), _activations.Count,
            (int)_activations.Sum(a => a.Machine.JoinedReplicas), Checker.LanesComputed, Checker.LanesLost,
            _activations.Sum(a => a.LanesMoved), _trace ?? [], _rollbacks);
    }

    /// <summary>A number below the bound.</summary>
    public int Draw(int bound) => (int)_random.Below(_draws++, (ulong)bound);

    public int IndexOf(string name) => name.Length == 2 ? name[1] - '0' : int.Parse(name.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture);

    public void After(int delay, EventKind kind, int at, int from, long number, object? payload) =>
        _events.Add(new SimulatedEvent(Now + delay, _order++, kind, at, from, number, payload));

    /// <summary>A message of the data plane: late or out of order, never lost unless its connection breaks.</summary>
    public void SendData(EventKind kind, int to, int from, object payload) => After(Latency(), kind, to, from, 0, payload);

    public void Send(EventKind kind, int to, int from, long number, object payload) => After(Latency(), kind, to, from, number, payload);

    /// <summary>A message of the control plane: it may be lost and said twice.</summary>
    public void SendControl(EventKind kind, int to, int from, object payload)
    {
        if (_dropping > 0 && Draw(4) == 0)
            return;
        After(Latency(), kind, to, from, 0, payload);
        if (_duplicating > 0 && Draw(3) == 0)
            After(Latency() + Draw(150), kind, to, from, 0, payload);
    }

    public void SendToCoordinator(int from, object message) => SendControl(EventKind.ToCoordinator, 0, from, message);

    /// <summary>The connection over which a part was asked for is broken, or the peer refuses the key.</summary>
    public void Break(PartRequest request, int peer) => After(1 + Draw(5), EventKind.PartBroke, request.From, peer, 0, request);

    public bool HeartbeatArrives(int from, int to) => IsUp(from) && !_replicas[from].Paused && Reach(from, to);

    /// <summary>Whether lines are kept: they cost more than the events.</summary>
    public bool Traces => _trace is not null;

    public void Note(string line) => _trace?.Add($"{Now,6} {line}");

    /// <summary>A replica ends by itself.</summary>
    public void Quit(SimulatedReplica replica, string reason)
    {
        if (!Store.LostData && !reason.Contains("could not copy", StringComparison.Ordinal))
            InvariantChecker.Broken($"{replica.Name} quits: {reason}");
        Kill(replica.Index);
    }

    public void DeclareDead(int process, SimulatedCoordinator by)
    {
        // The membership is a table in the store: who is dead in it cannot write there, and learns that it is.
        if (!StoreAnswers(by))
            return;
        if (_replicas[by.Host].DeclaredDead)
        {
            Kill(by.Host);
            return;
        }

        if (!_replicas[process].DeclaredDead)
            After(5 + Draw(100), EventKind.DeclaredDead, process, by.Host, 0, null);
        _replicas[process].DeclaredDead = true;
        After(1 + Draw(10), EventKind.MemberDead, by.Index, process, 0, null);
    }

    public void Release(string member)
    {
        _draining.Remove(member);
        var index = IndexOf(member);
        if (index < _replicas.Count)
            Kill(index);
    }

    /// <summary>The checkpoint of the first halt is on disk.</summary>
    public void SaveCheckpoint() => _checkpoint = FirstHalt;

    /// <summary>Whose moments are whose among so many.</summary>
    public ShardPlan PlanOf(int members) => _plans[members] ??= new ShardPlan(
        new SlicePlan(Oracle.Slices * SlicePlan.Alignment, SlicePlan.Alignment), [.. Enumerable.Range(0, members).Select(m => $"{m}")]);

    /// <summary>Every process starts anew from the checkpoint, as a new job's replicas.</summary>
    private void RollBack(string reason)
    {
        Checker.RolledBack(reason, _checkpoint, Lanes, _replicas, Store.LostData);
        Note($"rolled back to step {_checkpoint}: {reason}");
        Restarted = _replicas.Count(r => r is { Alive: true, DeclaredDead: false });
        RolledBackTo = _checkpoint;
        _rollbacks++;
        for (var i = _replicas.Count - 1; i >= 0; i--)
            Kill(i);
        if (Restarted == 0)
            Stopped ??= reason;
        for (var i = 0; i < Restarted; i++)
            AddReplica(_checkpoint);
    }

    public void Stop(string reason, bool momentsLost = false)
    {
        // Whoever takes the stopped job over says so again; it is over.
        if (momentsLost && Store.Content.Record is { MomentsLost: true })
        {
            RollBack(reason);
            return;
        }

        Checker.Stopped(reason, _replicas, Store.LostData);
        Note($"stopped: {reason}");
        Stopped ??= reason;
    }

    public IReadOnlyList<LaneRange> MaximalNodes(LaneRange range) => _nodes[range.Start * (Lanes + 1) + range.Count] ??= Tree.MaximalNodes(range);

    /// <summary>The number of nodes of a division, and the additions that fold them.</summary>
    public (int Nodes, IReadOnlyList<Addition> Additions) Layout(LaneAssignment assignment)
    {
        if (_layouts.TryGetValue(assignment, out var layout))
            return layout;
        var nodes = new List<LaneRange>();
        foreach (var range in assignment.Ranges)
            nodes.AddRange(Tree.MaximalNodes(range));
        return _layouts[assignment] = (nodes.Count, Tree.Fold(nodes));
    }

    private int Latency() => Draw(16) == 0 || (_delaying > 0 && Draw(3) == 0) ? 10 + Draw(_delaying > 0 ? 300 : 30) : 1 + Draw(5);

    private bool IsUp(int process) => _replicas[process].Alive;

    private bool Reach(int a, int b) => _side[a] == _side[b];

    private bool StoreAnswers(SimulatedCoordinator activation) =>
        Store.Outages == 0 && (_storeSide < 0 || _side[activation.Host] == _storeSide);

    private bool DataReach(int a, int b) => Reach(a, b) && !(_broken is { } pair && (pair == (a, b) || pair == (b, a)));

    private bool Done()
    {
        if (Stopped is not null)
            return true;
        var alive = 0;
        foreach (var replica in _replicas)
        {
            if (!replica.Alive)
                continue;
            alive++;
            if (Now <= Calm || replica.Applied != Steps || replica.Paused)
                alive = int.MinValue / 2;
        }

        // Those who could still be declared dead are waited for; where nobody lives there is nobody to say so.
        return alive == 0 || (alive > 0 && Checker.Committed == Steps);
    }

    private void Handle(in SimulatedEvent e)
    {
        Now = Math.Max(Now, e.Time);
        _handled++;
        _hash = Oracle.Mix(_hash, ((ulong)(uint)e.Time << 32) ^ ((ulong)e.Kind << 24) ^ ((ulong)(uint)e.At << 12) ^ (uint)e.From);
        var process = ProcessOf(e);
        if (process >= 0)
        {
            var replica = _replicas[process];
            if (replica.Paused)
            {
                replica.Deferred.Add(e);
                return;
            }

            if (!replica.Alive)
            {
                HandleAtDead(e);
                return;
            }
        }

        if (Traces && IsWorthALine(e.Kind))
            Note(Describe(e));
        switch (e.Kind)
        {
            case EventKind.ToCoordinator:
                var activation = e.At > 0 ? _activations[e.At - 1] : Route();
                if (activation is { Gone: false } && IsUp(activation.Host) && Reach(e.From, activation.Host))
                {
                    if (_replicas[activation.Host].Paused)
                        _replicas[activation.Host].Deferred.Add(e with { At = activation.Index + 1 });
                    else
                        activation.Receive(e.Payload!);
                }

                break;
            case EventKind.ToReplica:
                if (Reach(e.At, e.From))
                    _replicas[e.At].Receive(e.Payload!);
                break;
            case EventKind.StoreWrite:
                StoreWrite(e);
                break;
            case EventKind.StoreWritten:
                _activations[e.At].StoreWritten((WriteOutcome)e.Number, (long)e.Payload!);
                break;
            case EventKind.StoreReadAsked:
                var answered = StoreAnswers(_activations[e.At]);
                After(answered ? 1 + Draw(4) : 30, EventKind.StoreReadDone, e.At, e.At, answered ? 1 : 0, Store.Content);
                break;
            case EventKind.StoreReadDone:
                _activations[e.At].StoreRead(e.Number == 1, ((CoordinatorRecord?, long))e.Payload!);
                break;
            case EventKind.ProbeDone:
                var host = _activations[e.At].Host;
                _activations[e.At].ProbeDone(_replicas[e.From].Name, HeartbeatArrives(e.From, host));
                break;
            case EventKind.MemberDead:
                _activations[e.At].MemberDead(_replicas[e.From].Name);
                break;
            case EventKind.LaneDone:
                _replicas[e.At].LaneDone((int)e.Number, e.Payload!);
                break;
            case EventKind.PartAsked:
                if (DataReach(e.At, e.From))
                    _replicas[e.At].PartAsked((PartRequest)e.Payload!);
                else
                    Break((PartRequest)e.Payload!, e.At);
                break;
            case EventKind.PartCame:
                if (DataReach(e.At, e.From))
                    _replicas[e.At].PartCame((PartReply)e.Payload!);
                else
                    Break(((PartReply)e.Payload!).Request, e.From);
                break;
            case EventKind.PartBroke:
                _replicas[e.At].PartBroke((PartRequest)e.Payload!, e.From);
                break;
            case EventKind.CopyAsked:
                if (DataReach(e.At, e.From))
                    _replicas[e.At].CopyAsked((CopyState)e.Payload!, e.From);
                else
                    After(5, EventKind.CopyBroke, e.From, e.At, 0, e.Payload);
                break;
            case EventKind.CopyReadAgain:
                _replicas[e.At].CopyReadAgain((StateCopy)e.Payload! with { From = e.From });
                break;
            case EventKind.CopyCame:
                var copy = (StateCopy)e.Payload!;
                if (DataReach(e.At, e.From))
                    _replicas[e.At].CopyCame(_corrupting > 0 && Draw(2) == 0 ? copy with { State = copy.State ^ 1 } : copy);
                break;
            case EventKind.CopyBroke:
                _replicas[e.At].CopyBroke((CopyState)e.Payload!);
                break;
            case EventKind.RemindReplica:
                After(RemindEvery + Draw(20), EventKind.RemindReplica, e.At, e.At, 0, null);
                if (Bug != PlantedBug.NeverRemind)
                    _replicas[e.At].Remind();
                _replicas[e.At].CheckHeartbeats();
                break;
            case EventKind.RemindCoordinator:
                if (!_activations[e.At].Gone)
                    _activations[e.At].Remind();
                break;
            case EventKind.Poll:
                After(RemindEvery, EventKind.Poll, 0, 0, 0, null);
                Poll();
                break;
            case EventKind.Fault:
                Begin(_faults[(int)e.Number]);
                break;
            case EventKind.FaultEnds:
                End(_faults[(int)e.Number], e.At);
                break;
            case EventKind.DeclaredDead:
                Kill(e.At);
                break;
        }
    }

    /// <summary>The process that an event happens in, or -1.</summary>
    private int ProcessOf(in SimulatedEvent e)
    {
        switch (e.Kind)
        {
            case EventKind.ToReplica or EventKind.LaneDone or EventKind.PartAsked or EventKind.PartCame or EventKind.PartBroke or EventKind.CopyAsked
                or EventKind.CopyReadAgain or EventKind.CopyCame or EventKind.CopyBroke or EventKind.RemindReplica or EventKind.DeclaredDead:
                return e.At;
            case EventKind.StoreWritten or EventKind.StoreReadDone or EventKind.StoreReadAsked or EventKind.ProbeDone or EventKind.RemindCoordinator
                or EventKind.MemberDead:
                return _activations[e.At].Host;
            default:
                return -1;
        }
    }

    private void HandleAtDead(in SimulatedEvent e)
    {
        switch (e.Kind)
        {
            case EventKind.PartAsked:
                Break((PartRequest)e.Payload!, e.At);
                break;
            case EventKind.CopyAsked:
                After(5, EventKind.CopyBroke, e.From, e.At, 0, e.Payload);
                break;
        }
    }

    private void StoreWrite(in SimulatedEvent e)
    {
        var write = (Write)e.Payload!;
        var lost = !StoreAnswers(_activations[e.At]) || (_timeouts > 0 && Draw(3) == 0);
        if (lost && (!StoreAnswers(_activations[e.At]) || Draw(2) == 0))
        {
            After(30, EventKind.StoreWritten, e.At, e.At, (int)WriteOutcome.Unknown, 0L);
            return;
        }

        var before = Store.Content.Record;
        var stored = Store.Write(write.Record, e.Number, Bug == PlantedBug.UnconditionalWrite);
        if (stored)
        {
            Checker.Stored(write, before, Store);
            if (write.Record.Committed.Steps > (before?.Committed.Steps ?? 0) && write.Begun is { } begun
                && (begun.Term, begun.Step) == (write.Record.Committed.Term, write.Record.Committed.Steps - 1))
            {
                for (var i = 0; i < begun.Members.Count; i++)
                    _replicas[IndexOf(begun.Members[i].Id)].Used(begun.Step, begun.Assignment[i]);
            }
        }

        if (Traces)
            Note($"store: {TraceWords.Of(write.Record)}: {(stored ? "stored" : "conflict")}{(lost ? ", no answer" : "")}");
        if (lost)
            After(30, EventKind.StoreWritten, e.At, e.At, (int)WriteOutcome.Unknown, 0L);
        else
            After(1 + Draw(4), EventKind.StoreWritten, e.At, e.At, (int)(stored ? WriteOutcome.Stored : WriteOutcome.Conflict), Store.Content.Version);
    }

    /// <summary>The activation that a call finds; where there is none, one is made and the call is lost.</summary>
    private SimulatedCoordinator? Route()
    {
        SimulatedCoordinator? found = null;
        var several = 0;
        foreach (var activation in _activations)
        {
            if (activation.Gone || !activation.Listed)
                continue;
            if (!IsUp(activation.Host))
            {
                activation.Listed = false;
                continue;
            }

            if (found is null || Draw(++several + 1) == 0)
                found = activation;
        }

        if (found is null)
            Activate();
        return found;
    }

    private void Activate()
    {
        var up = 0;
        foreach (var replica in _replicas)
            up += replica is { Alive: true, Paused: false, DeclaredDead: false } ? 1 : 0;
        if (up == 0)
            return;
        var chosen = Draw(up);
        foreach (var replica in _replicas)
        {
            if (replica is { Alive: true, Paused: false, DeclaredDead: false } && chosen-- == 0)
            {
                Note($"activation {_activations.Count} in {replica.Name}");
                _activations.Add(new SimulatedCoordinator(this, _activations.Count, replica.Index));
                return;
            }
        }
    }

    /// <summary>The stage's driver looks in, and the membership looks for silos that hang.</summary>
    private void Poll()
    {
        for (var i = 0; i < _activations.Count; i++)
        {
            var activation = _activations[i];
            var host = _replicas[activation.Host];
            if (activation.Listed && host.Paused && !host.DeclaredDead && Draw(3) == 0)
            {
                host.DeclaredDead = true;
                activation.Listed = false;
                After(5 + Draw(100), EventKind.DeclaredDead, host.Index, host.Index, 0, null);
            }
        }

        if (Route() is { } current && !_replicas[current.Host].Paused)
        {
            current.Poll(_halted > 0);
            foreach (var member in _draining.ToArray())
                current.Wish(m => m.Drain(member));
        }
    }

    private void AddReplica(long applied = 0)
    {
        var replica = new SimulatedReplica(this, _replicas.Count, Lanes, applied);
        _replicas.Add(replica);
        After(RemindEvery + Draw(40), EventKind.RemindReplica, replica.Index, replica.Index, 0, null);
        replica.Start();
    }

    private void Kill(int process)
    {
        if (!IsUp(process))
            return;
        Note($"{_replicas[process].Name} ends");
        _replicas[process].Paused = false;
        _replicas[process].Die();
    }

    private int Host()
    {
        for (var i = _activations.Count - 1; i >= 0; i--)
        {
            if (!_activations[i].Gone && IsUp(_activations[i].Host))
                return _activations[i].Host;
        }

        return 0;
    }

    private void Begin(SimulatedFault fault)
    {
        Note($"FAULT {fault}");
        var index = _faults.IndexOf(fault);
        var target = fault.Target % _replicas.Count;
        switch (fault.Kind)
        {
            case FaultKind.Kill or FaultKind.KillCoordinator:
                target = fault.Kind == FaultKind.Kill ? target : Host();
                // The last one dies rarely: there is nothing to see after that.
                if (fault.Target % 8 == 0 || _replicas.Exists(r => r.Alive && r.Index != target))
                    Kill(target);
                return;
            case FaultKind.Pause or FaultKind.PauseCoordinator:
                target = fault.Kind == FaultKind.Pause ? target : Host();
                if (!IsUp(target) || _replicas[target].Paused)
                    return;
                _replicas[target].Paused = true;
                break;
            case FaultKind.Partition:
                for (var i = 0; i < _side.Length; i++)
                    _side[i] = (fault.Target >> (i % 6)) & 1;
                _storeSide = fault.Target >> 6 == 3 ? -1 : (fault.Target >> 6) & 1;
                break;
            case FaultKind.BreakLink:
                _broken = (target, fault.Target / 8 % _replicas.Count);
                break;
            case FaultKind.Corrupt:
                _corrupting++;
                break;
            case FaultKind.Drop:
                _dropping++;
                break;
            case FaultKind.Duplicate:
                _duplicating++;
                break;
            case FaultKind.Delay:
                _delaying++;
                break;
            case FaultKind.SecondActivation:
                Activate();
                return;
            case FaultKind.StoreOut or FaultKind.StoreRollback or FaultKind.StoreEmptied:
                Store.Outages++;
                break;
            case FaultKind.StoreTimeouts:
                _timeouts++;
                break;
            case FaultKind.Join:
                // Whoever comes before a job has begun is a starter of it.
                AddReplica(RolledBackTo ?? 0);
                return;
            case FaultKind.Drain:
                if (IsUp(target))
                    _draining.Add(_replicas[target].Name);
                return;
            case FaultKind.Halt:
                _halted++;
                if (Route() is { } activation && !_replicas[activation.Host].Paused)
                    activation.Wish(m => m.Halt());
                break;
            case FaultKind.Slow:
                SpeedChanges++;
                _replicas[target].Slowness += 1 + (fault.Target >> 5);
                break;
        }

        After(fault.Duration, EventKind.FaultEnds, target, 0, index, null);
    }

    private void End(SimulatedFault fault, int target)
    {
        Note($"END   {fault}");
        switch (fault.Kind)
        {
            case FaultKind.Pause or FaultKind.PauseCoordinator:
                var replica = _replicas[target];
                if (!replica.Alive || !replica.Paused)
                    return;
                replica.Paused = false;
                // What came meanwhile is handled first, also by one that is dead in the membership and does not know it yet.
                foreach (var e in replica.Deferred)
                    _events.Add(e with { Time = Now, Order = _order++ });
                replica.Deferred.Clear();
                break;
            case FaultKind.Partition:
                Array.Clear(_side);
                _storeSide = -1;
                break;
            case FaultKind.BreakLink:
                _broken = null;
                break;
            case FaultKind.Corrupt:
                _corrupting--;
                break;
            case FaultKind.Drop:
                _dropping--;
                break;
            case FaultKind.Duplicate:
                _duplicating--;
                break;
            case FaultKind.Delay:
                _delaying--;
                break;
            case FaultKind.StoreOut:
                Store.Outages--;
                break;
            case FaultKind.StoreRollback:
                Store.Outages--;
                Store.Rollback(1 + fault.Target % 3);
                break;
            case FaultKind.StoreEmptied:
                Store.Outages--;
                Store.Empty();
                break;
            case FaultKind.StoreTimeouts:
                _timeouts--;
                break;
            case FaultKind.Halt:
                _halted--;
                break;
            case FaultKind.Slow:
                SpeedChanges++;
                _replicas[target].Slowness -= 1 + (fault.Target >> 5);
                break;
        }
    }

    private List<SimulatedFault> DrawFaults(bool storeLosesData)
    {
        var faults = new List<SimulatedFault>();
        var random = new CounterRandom(Seed, RandomPurpose.Synthetic, 1);
        ulong position = 0;
        var count = Below(13);
        // Half of the schedules have all their faults at once.
        var start = Below(2) == 0 ? -1 : Below(500);
        for (var i = 0; i < count; i++)
        {
            var kind = (FaultKind)Below((int)FaultKind.Halt + 1);
            if (kind is FaultKind.StoreRollback or FaultKind.StoreEmptied && (!storeLosesData || Below(3) != 0))
                kind = FaultKind.Kill;
            // Early faults meet the start, late ones a run at rest.
            var time = start >= 0 ? 1 + start + Below(100) : 1 + Below(Below(4) == 0 ? 60 : 900);
            faults.Add(new SimulatedFault(kind, time, Below(256), 20 + Below(400)));
            if (kind is FaultKind.Kill or FaultKind.KillCoordinator or FaultKind.Pause && Below(3) > 0)
                faults.Add(new SimulatedFault(FaultKind.Join, time + Below(300), 0, 0));
        }

        // Slowness disturbs nobody: it comes besides, so that there is not less of the others.
        for (var i = Below(4); i > 0; i--)
            faults.Add(new SimulatedFault(FaultKind.Slow, 1 + Below(600), Below(256), 50 + Below(600)));
        return faults;

        int Below(int bound) => (int)random.Below(position++, (ulong)bound);
    }

    private string WhereAll()
    {
        var replicas = _replicas.Where(r => r.Alive).Select(r => $"{r.Name} at {r.Applied}{(r.Machine.Current is null ? "" : " working")}");
        var activations = _activations.Where(a => !a.Gone).Select(a => $"activation {a.Index} in r{a.Host}: {TraceWords.Of(a.Machine)}");
        return $"{string.Join(", ", replicas)}; {string.Join("; ", activations)}";
    }

    private static bool IsWorthALine(EventKind kind) => kind is EventKind.ToCoordinator or EventKind.ToReplica or EventKind.ProbeDone
        or EventKind.PartAsked or EventKind.PartCame or EventKind.PartBroke or EventKind.CopyAsked or EventKind.CopyCame or EventKind.MemberDead;

    private static string Describe(in SimulatedEvent e) => e.Kind switch
    {
        EventKind.ToCoordinator => $"r{e.From} → coordinator: {TraceWords.Of(e.Payload!)}",
        EventKind.ToReplica => $"coordinator in r{e.From} → r{e.At}: {TraceWords.Of(e.Payload!)}",
        EventKind.PartAsked when e.Payload is PartRequest asked =>
            $"r{e.From} asks r{e.At} for {asked.Kind} of slice {asked.Slice} of step {asked.Key.Step}, generation {asked.Key.Generation}",
        EventKind.PartCame when e.Payload is PartReply { Request: var came } => $"r{e.At} has {came.Kind} of slice {came.Slice} from r{e.From}",
        EventKind.ProbeDone => $"the probe of r{e.From} ends",
        EventKind.MemberDead => $"activation {e.At} learns that r{e.From} is dead",
        EventKind.PartBroke => $"r{e.At} has lost r{e.From}",
        _ => $"{e.Kind} at {e.At} from {e.From}",
    };
}
