using System.Numerics;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Simulation;

/// <summary>A part that is asked for, and what it was asked with.</summary>
internal sealed record PartRequest(ExchangeKey Key, PartKind Kind, int Slice, int From, object Work);

/// <summary>A part that comes: the values as they were when it was served, and the key that the server was at.</summary>
internal sealed record PartReply(PartRequest Request, ExchangeKey Served, int Peer, ulong[] Values);

/// <summary>A state on its way to a newcomer.</summary>
internal sealed record StateCopy(CopyState Copy, int From, long Steps, ulong State, ulong[] Moments);

/// <summary>
/// A process with a replica in it: drives the real <see cref="ReplicaStepMachine"/>, and stands in for engine, board and exchange with
/// hashes, by the same rules (keys, waiting, staleness, slices with an owner each, the real tree).
/// </summary>
internal sealed class SimulatedReplica
{
    private const uint AllSlices = (1u << Oracle.Slices) - 1;
    private readonly SimulatedWorld _world;
    private readonly int _lanes, _ticks;
    private readonly LaneTree _tree;
    private readonly List<PartRequest> _waiting = [];
    private readonly ulong[] _laneGradients;
    private readonly ulong[] _reduced = new ulong[Oracle.Slices];
    private readonly ulong[] _updated = new ulong[Oracle.Slices];
    private readonly ulong[] _moments = new ulong[Oracle.Slices];
    private uint _holds = AllSlices, _toHold = AllSlices, _updatedShown;
    private (long Term, long Generation) _settled;
    private readonly Dictionary<(long Term, long Generation, long Step), uint> _readyWith = [];
    private (long Term, long Generation) _readyIn;
    private bool _holdingsShown;
    private long _heldStep = -1, _usedStep = -1;
    private uint _held, _used;
    private ExchangeKey _key = new(1, 0, 0, -1);
    private readonly uint[] _everComputed;
    private long _forgottenStep = -1, _gradientOf = -1;
    private uint _forgotten;
    private LaneRange _shownLanes;
    private bool _nodesShown;
    private uint _reducedShown;
    private Work? _work;
    private string? _stateHash;
    private (int Ticks, int Lanes) _computed;

    public SimulatedReplica(SimulatedWorld world, int index, int lanes, long applied = 0)
    {
        (_world, Index, Name, _lanes) = (world, index, $"r{index}", lanes);
        _tree = world.Tree;
        _laneGradients = new ulong[lanes * Oracle.Slices];
        _everComputed = new uint[world.Steps + 1];
        _ticks = 3 + world.Draw(4);
        (State, Applied) = (world.Oracle.State(applied), applied);
        for (var slice = 0; slice < Oracle.Slices; slice++)
            _moments[slice] = world.Oracle.Moment(applied, slice);
        Member = new Member(Name, Name);
        Machine = new ReplicaStepMachine(Member, world.Identity, applied);
    }

    public int Index { get; }

    public string Name { get; }

    public Member Member { get; }

    public ReplicaStepMachine Machine { get; }

    /// <summary>Whether the process exists.</summary>
    public bool Alive { get; private set; } = true;

    public bool Paused { get; set; }

    /// <summary>Times that a lane takes as long as usual.</summary>
    public int Slowness { get; set; } = 1;

    /// <summary>That a lane takes, but for what the schedule adds.</summary>
    private int LaneTicks => Slowness * _ticks;

    /// <summary>Whether the membership has it for dead: it ends as soon as it learns of it.</summary>
    public bool DeclaredDead { get; set; }

    public long Applied { get; private set; }

    public ulong State { get; private set; }

    public List<(long Term, long Generation, long Step)> SaidReady { get; } = [];

    /// <summary>The latest fence of any message that was handled.</summary>
    public (long Term, long Generation) Seen { get; private set; }

    /// <summary>What happens to a paused process, for later.</summary>
    public List<SimulatedEvent> Deferred { get; } = [];

    /// <summary>Whether it holds the state of that many steps, or all that it needs to get there.</summary>
    public bool CanGoOn(long committed) => Alive && !DeclaredDead
        && (Applied == committed || (Applied == committed - 1 && _gradientOf == Applied && SaidReady.Exists(r => r.Step == Applied)));

    /// <summary>Whether it has a slice's moments after that many steps, or will when it applies what it is ready with.</summary>
    public bool Has(long steps, int slice) => ((Applied == steps ? _holds : _toHold) & (1u << slice)) != 0;

    /// <summary>Whether it had a slice's moments, to hold them after the step, when it said READY.</summary>
    public bool WasReadyWith(BeginStep begin, int slice) =>
        (_readyWith.GetValueOrDefault((begin.Term, begin.Generation, begin.Step)) & (1u << slice)) != 0;

    /// <summary>Whether it ever computed that lane of that step.</summary>
    public bool HasComputed(long step, int lane) => (_everComputed[step] & (1u << lane)) != 0;

    /// <summary>Lanes held that no COMMIT has used.</summary>
    public int HeldUnused() => Alive ? BitOperations.PopCount(_held & ~(_usedStep == _heldStep ? _used : 0)) : 0;

    /// <summary>A COMMIT was stored that these lanes of this replica went into.</summary>
    public void Used(long step, LaneRange lanes)
    {
        // What went with it after its READY was not lost after all.
        if (!Alive && _heldStep == step)
            _world.Checker.LanesLost -= BitOperations.PopCount(_held & Mask(lanes));
        else if (_forgottenStep == step)
            _world.Checker.LanesLost -= BitOperations.PopCount(_forgotten & Mask(lanes));
        if (_heldStep == step)
            (_usedStep, _used) = (step, Mask(lanes));
    }

    public void Start() => Do(Machine.Start());

    public void Die()
    {
        if (!Alive)
            return;
        _world.Checker.LanesLost += HeldUnused();
        Alive = false;
        _work = null;
        foreach (var request in _waiting)
            _world.Break(request, Index);
        _waiting.Clear();
        Deferred.Clear();
    }

    public void Remind() => Do(Machine.Remind());

    public void Receive(object message)
    {
        var fence = FenceOf(message);
        var past = fence.CompareTo(Seen) < 0;
        if (past && _world.Bug == PlantedBug.ObeyOldCoordinator)
            message = Refence(message, Seen);
        else if (!past)
            Seen = fence;
        var actions = message switch
        {
            BeginStep begin => Machine.Receive(begin),
            Commit commit => Machine.Receive(commit),
            Query query => Machine.Receive(query),
            CopyState copy => Machine.Receive(copy),
            Evicted evicted => Machine.Receive(evicted),
            string refusal => Machine.Refused(refusal),
            _ => throw new InvalidOperationException(message.ToString()),
        };
        if (past && message is not string)
            InvariantChecker.ReplicaHeardThePast(this, actions, message);
        Do(actions);
        if (_world.Bug == PlantedBug.ApplyTwice && message is Commit { Record: var again } && actions.Count == 0 && again.Steps == Applied && Applied > 0)
            Apply(Applied - 1);
    }

    private void Do(IReadOnlyList<ReplicaAction> actions)
    {
        foreach (var action in actions)
        {
            switch (action)
            {
                case ReplicaAction.Apply apply:
                    Apply(apply.Step);
                    break;
                case ReplicaAction.Work work:
                    Begin(work.Begin);
                    break;
                case ReplicaAction.Abandon:
                    _work = null;
                    HideParts();
                    break;
                case ReplicaAction.Copy copy:
                    Forget();
                    _holds = 0;
                    (_work, Applied, _gradientOf, _stateHash) = (null, -1, -1, null);
                    HideParts();
                    _world.Send(EventKind.CopyAsked, _world.IndexOf(copy.From.Donor.Id), Index, 0, copy.From);
                    _world.After(_world.CopyLimit, EventKind.CopyBroke, Index, Index, 0, copy.From);
                    break;
                case ReplicaAction.SendJoin send:
                    Tell(send.Join with { StateHash = StateHash() });
                    break;
                case ReplicaAction.SendReport send:
                    Tell(send.Report with { StateHash = StateHash(), Moments = HeldMoments() });
                    break;
                case ReplicaAction.SendReady send:
                    SaidReady.Add((send.Ready.Term, send.Ready.Generation, send.Ready.Step));
                    Tell(send.Ready);
                    break;
                case ReplicaAction.SendJoined send:
                    Tell(send.Joined);
                    break;
                case ReplicaAction.SendCopyFailed send:
                    Tell(send.Failed);
                    break;
                case ReplicaAction.SendPeerLost send:
                    Tell(send.Lost);
                    break;
                case ReplicaAction.SendMomentsMissing send:
                    Tell(send.Missing);
                    break;
                case ReplicaAction.SendPresence send:
                    Tell(send.Presence);
                    break;
                case ReplicaAction.Quit quit:
                    _world.Note($"{Name} quits: {quit.Reason}");
                    _world.Quit(this, quit.Reason);
                    break;
            }
        }
    }

    private void Tell(object message) => _world.SendToCoordinator(Index, message);

    private string StateHash() => Applied < 0 ? "" : _stateHash ??= Oracle.Text(State);

    private void Apply(long step)
    {
        _world.Checker.Applied(this, step);
        for (var slice = 0; slice < Oracle.Slices; slice++)
        {
            if ((_toHold & (1u << slice)) == 0)
                continue;
            _world.Checker.MomentsAre(this, step, slice, _moments[slice]);
            _moments[slice] = Oracle.NextMoment(_reduced[slice], _moments[slice]);
        }

        if (_world.Bug != PlantedBug.KeepOldMoments)
            _holds = _toHold;
        _settled = _readyIn;
        State = Oracle.Apply(State, _updated[0], _updated[1]);
        Applied++;
        (_stateHash, _work, _gradientOf) = (null, null, -1);
        _world.Checker.StateIs(this);
    }

    private void Begin(BeginStep begin)
    {
        var place = 0;
        while (begin.Members[place].Id != Name)
            place++;
        var range = begin.Assignment[place];
        if (_heldStep != begin.Step)
        {
            Forget();
            _heldStep = begin.Step;
        }

        // As NodeStore.Retain: what others compute now is dropped.
        var outside = _held & ~Mask(range);
        _world.Checker.LanesLost += BitOperations.PopCount(outside);
        _held &= ~outside;
        if (_world.Bug == PlantedBug.DropHeldLanes)
            _held = 0;
        var work = new Work(begin, place, new ExchangeKey(1, begin.Term, begin.Generation, begin.Step));
        _computed = default;
        _work = work;
        _gradientOf = -1;
        Advance(work.Key);
        _toHold = ToHold(work);
        _holdingsShown = _world.Sharded && (begin.Term, begin.Generation) != _settled;
        Serve();
        ComputeNext(work);
    }

    /// <summary>The slices whose moments this replica is to hold.</summary>
    private uint ToHold(Work work)
    {
        if (!_world.Sharded)
            return AllSlices;
        var plan = _world.PlanOf(work.Begin.Members.Count);
        var slices = 0u;
        for (var slice = 0; slice < Oracle.Slices; slice++)
            slices |= plan.Holds(work.Place, slice) ? 1u << slice : 0;
        return slices;
    }

    private HeldMoments? HeldMoments()
    {
        if (!_world.Sharded)
            return null;
        var ranges = new List<(int, int)>();
        for (var slice = 0; slice < Oracle.Slices && _world.Bug != PlantedBug.HideMoments; slice++)
        {
            if ((_holds & (1u << slice)) != 0)
                ranges.Add((slice, 1));
        }

        return new HeldMoments(Oracle.Slices, ranges);
    }

    /// <summary>Everything held is dropped; what no COMMIT used is lost.</summary>
    private void Forget()
    {
        _world.Checker.LanesLost += HeldUnused();
        if (_usedStep != _heldStep)
            (_forgottenStep, _forgotten) = (_heldStep, _held);
        (_heldStep, _held) = (-1, 0);
    }

    private void ComputeNext(Work work)
    {
        var range = work.Begin.Assignment[work.Place];
        for (var lane = range.Start; lane < range.End; lane++)
        {
            if ((_held & (1u << lane)) != 0)
                continue;
            _computed = (_computed.Ticks + LaneTicks, _computed.Lanes + 1);
            _world.After(LaneTicks + _world.Draw(4), EventKind.LaneDone, Index, Index, lane, work);
            return;
        }

        (_nodesShown, _shownLanes) = (true, range);
        Serve();
        if ((_toHold & ~_holds) == 0 || _world.Bug == PlantedBug.ReadyWithoutMoments)
        {
            Reduce(work);
            return;
        }

        for (var peer = 0; peer < work.Begin.Members.Count; peer++)
        {
            if (peer != work.Place)
                Ask(work, peer, PartKind.Holdings, 0);
        }

        if (work.Begin.Members.Count == 1)
            Gather(work);
    }

    /// <summary>Takes the moments that it lacks of those who said that they hold them.</summary>
    private void Gather(Work work)
    {
        for (var slice = 0; slice < Oracle.Slices; slice++)
        {
            var bit = 1u << slice;
            if ((_toHold & ~_holds & bit) == 0)
                continue;
            foreach (var holdings in work.Holdings)
            {
                if (holdings is null || (holdings[0] & bit) == 0 || (_holds & bit) != 0)
                    continue;
                (_moments[slice], _holds) = (holdings[1 + slice], _holds | bit);
            }

            if ((_holds & bit) == 0)
            {
                Do(Machine.Misses(work.Begin, slice));
                return;
            }
        }

        Reduce(work);
    }

    private void Reduce(Work work)
    {
        var range = work.Begin.Assignment[work.Place];
        var members = work.Begin.Members.Count;
        for (var slice = 0; slice < Oracle.Slices; slice++)
        {
            var owner = EvenSplit.PartOf(Oracle.Slices, members, slice);
            if (owner != work.Place)
            {
                // Who does not hold the slice's moments needs the owner's word for its sum only; here that is the sum itself.
                Ask(work, owner, (_toHold & (1u << slice)) != 0 ? PartKind.Reduced : PartKind.Sums, slice);
                continue;
            }

            work.Missing[slice] = 0;
            for (var peer = 0; peer < members; peer++)
            {
                if (work.Begin.Assignment[peer].IsEmpty)
                    continue;
                if (peer == work.Place)
                {
                    work.Nodes[slice, peer] = Nodes(range, slice);
                    continue;
                }

                work.Missing[slice]++;
                Ask(work, peer, PartKind.Nodes, slice);
            }

            if (work.Missing[slice] == 0)
                Fold(work, slice);
        }
    }

    public void LaneDone(int lane, object payload)
    {
        var work = (Work)payload;
        if (!ReferenceEquals(work, _work))
            return;
        for (var slice = 0; slice < Oracle.Slices; slice++)
            _laneGradients[lane * Oracle.Slices + slice] = Oracle.Lane(State, work.Begin.Step, lane, slice);
        _held |= 1u << lane;
        _everComputed[work.Begin.Step] |= 1u << lane;
        _world.Checker.Computed(this, work.Begin, lane);
        if (_world.Bug == PlantedBug.SkipLostLanes && work.Begin.Generation > 1)
        {
            for (var left = 0; left < _lanes; left++)
                _held |= Mask(work.Begin.Assignment[work.Place]) & (1u << left);
        }

        ComputeNext(work);
    }

    private void Ask(Work work, int peer, PartKind kind, int slice) => _world.SendData(
        EventKind.PartAsked, _world.IndexOf(work.Begin.Members[peer].Id), Index, new PartRequest(work.Key, kind, slice, Index, work));

    /// <summary>A peer asks for a part: it is served, waits, or the peer has been left behind.</summary>
    public void PartAsked(PartRequest request)
    {
        if (_world.Bug == PlantedBug.StaleParts && _nodesShown && request.Kind == PartKind.Nodes)
            Reply(request);
        else if (request.Key.CompareTo(_key) < 0)
            _world.Break(request, Index);
        else if (request.Key == _key && IsShown(request))
            Reply(request);
        else
            _waiting.Add(request);
    }

    private void Advance(ExchangeKey key)
    {
        _key = key;
        HideParts();
        for (var i = _waiting.Count - 1; i >= 0; i--)
        {
            if (_waiting[i].Key.CompareTo(key) >= 0)
                continue;
            _world.Break(_waiting[i], Index);
            _waiting.RemoveAt(i);
        }
    }

    private void HideParts() => (_nodesShown, _reducedShown, _updatedShown, _holdingsShown) = (false, 0, 0, false);

    private void Serve()
    {
        for (var i = _waiting.Count - 1; i >= 0; i--)
        {
            if (_waiting[i].Key != _key || !IsShown(_waiting[i]))
                continue;
            Reply(_waiting[i]);
            _waiting.RemoveAt(i);
        }
    }

    private bool IsShown(PartRequest request) => request.Kind switch
    {
        PartKind.Nodes => _nodesShown,
        PartKind.Holdings => _holdingsShown,
        PartKind.Updated => (_updatedShown & (1u << request.Slice)) != 0,
        _ => (_reducedShown & (1u << request.Slice)) != 0,
    };

    private void Reply(PartRequest request)
    {
        ulong[] values = request.Kind switch
        {
            PartKind.Nodes => Nodes(_shownLanes, request.Slice),
            PartKind.Holdings => [_holds, .. _moments],
            PartKind.Updated => [_updated[request.Slice]],
            _ => [_reduced[request.Slice]],
        };
        _world.SendData(EventKind.PartCame, request.From, Index, new PartReply(request, _key, Index, values));
    }

    public void PartCame(PartReply reply)
    {
        var work = (Work)reply.Request.Work;
        if (!ReferenceEquals(work, _work))
            return;
        if (reply.Served != work.Key)
            InvariantChecker.Broken($"{Name} at {work.Key} was given a part of {reply.Served}");
        var slice = reply.Request.Slice;
        switch (reply.Request.Kind)
        {
            case PartKind.Reduced or PartKind.Sums:
                _reduced[slice] = reply.Values[0];
                SliceDone(work, slice);
                return;
            case PartKind.Updated:
                _updated[slice] = reply.Values[0];
                UpdatedDone(work, slice);
                return;
        }

        var place = 0;
        while (_world.IndexOf(work.Begin.Members[place].Id) != reply.Peer)
            place++;
        if (reply.Request.Kind == PartKind.Holdings)
        {
            work.Holdings[place] = reply.Values;
            if (++work.Told == work.Begin.Members.Count - 1)
                Gather(work);
            return;
        }

        if (work.Nodes[slice, place] is not null)
            return;
        work.Nodes[slice, place] = reply.Values;
        if (--work.Missing[slice] == 0)
            Fold(work, slice);
    }

    public void PartBroke(PartRequest request, int peer)
    {
        if (ReferenceEquals(request.Work, _work))
            Do(Machine.Lost(_work!.Begin, $"r{peer}", "the connection broke"));
    }

    /// <summary>The peers that a reduction waits for, where their heartbeats have stopped.</summary>
    public void CheckHeartbeats()
    {
        if (_work is not { } work || work.Done != 0)
            return;
        foreach (var member in work.Begin.Members)
        {
            var peer = _world.IndexOf(member.Id);
            if (peer != Index && !_world.HeartbeatArrives(peer, Index))
            {
                Do(Machine.Lost(work.Begin, member.Id, "no heartbeat"));
                return;
            }
        }
    }

    private void Fold(Work work, int slice)
    {
        var (nodes, additions) = _world.Layout(work.Begin.Assignment);
        Span<ulong> values = stackalloc ulong[nodes];
        var next = 0;
        for (var place = 0; place < work.Begin.Members.Count; place++)
        {
            if (work.Nodes[slice, place] is not { } part)
                continue;
            foreach (var value in part)
                values[next++] = value;
        }

        if (_world.Bug == PlantedBug.LeftFold)
        {
            for (var i = 1; i < nodes; i++)
                values[0] = Oracle.Add(values[0], values[i]);
        }
        else
        {
            foreach (var addition in additions)
                values[addition.Left] = Oracle.Add(values[addition.Left], values[addition.Right]);
        }

        _reduced[slice] = values[0];
        _reducedShown |= 1u << slice;
        Serve();
        SliceDone(work, slice);
    }

    private void SliceDone(Work work, int slice)
    {
        work.Slices |= 1u << slice;
        if (work.Slices != AllSlices || work.Done != 0)
            return;
        for (var s = 0; s < Oracle.Slices; s++)
        {
            var owner = EvenSplit.PartOf(Oracle.Slices, work.Begin.Members.Count, s);
            if ((_toHold & (1u << s)) == 0)
            {
                Ask(work, owner, PartKind.Updated, s);
                continue;
            }

            _updated[s] = Oracle.Updated(_reduced[s], _moments[s]);
            if (owner == work.Place)
                _updatedShown |= 1u << s;
            work.Updated |= 1u << s;
        }

        Serve();
        UpdatedDone(work, -1);
    }

    private void UpdatedDone(Work work, int slice)
    {
        if (slice >= 0)
            work.Updated |= 1u << slice;
        if (work.Updated != AllSlices || work.Done != 0)
            return;
        work.Done = 1;
        _gradientOf = work.Begin.Step;
        _readyIn = (work.Begin.Term, work.Begin.Generation);
        _readyWith[(work.Begin.Term, work.Begin.Generation, work.Begin.Step)] = _toHold & _holds;
        var losses = new double[work.Begin.Assignment[work.Place].Count];
        var parameters = _world.Sharded && !_world.PlanOf(work.Begin.Members.Count).IsWhole ? Oracle.GradientHash(_updated[0], _updated[1]) : "";
        var laneTime = _computed.Lanes == 0 || _world.Bug == PlantedBug.TimeOfAllLanes ? _computed.Ticks : (double)_computed.Ticks / _computed.Lanes;
        Do(Machine.Reduced(work.Begin, Oracle.GradientHash(_reduced[0], _reduced[1]), losses, 0, laneTime, parameters));
        if (_world.Bug == PlantedBug.ApplyUncommitted && work.Begin.Step == Applied)
            Apply(Applied);
    }

    /// <summary>The values of the maximal nodes of some own lanes.</summary>
    private ulong[] Nodes(LaneRange range, int slice)
    {
        var nodes = _world.MaximalNodes(range);
        var values = new ulong[nodes.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = Node(nodes[i].Start, nodes[i].Count, slice);
        return values;
    }

    private ulong Node(int start, int count, int slice)
    {
        if (count == 1)
            return _laneGradients[start * Oracle.Slices + slice];
        var left = (int)BitOperations.RoundUpToPowerOf2((uint)count) / 2;
        return Oracle.Add(Node(start, left, slice), Node(start + left, count - left, slice));
    }

    /// <summary>A newcomer asks for this replica's state.</summary>
    public void CopyAsked(CopyState copy, int from)
    {
        if (Applied == copy.Committed.Steps || _world.Bug == PlantedBug.TrustCopy)
            _world.After(5 + _world.Draw(20), EventKind.CopyReadAgain, Index, from, 0, new StateCopy(copy, from, Applied, State, [.. _moments]));
        else
            _world.SendData(EventKind.CopyBroke, from, Index, copy);
    }

    /// <summary>The end of reading it: what has changed meanwhile has torn the copy.</summary>
    public void CopyReadAgain(StateCopy copy)
    {
        if (Applied != copy.Steps)
            copy = copy with { State = Oracle.Mix(copy.State, State) };
        _world.SendData(EventKind.CopyCame, copy.From, Index, copy);
    }

    public void CopyCame(StateCopy copy)
    {
        var actions = Machine.Copied(copy.Copy, _world.Bug == PlantedBug.TrustCopy ? copy.Copy.StateHash : Oracle.Text(copy.State));
        if (actions is [ReplicaAction.SendJoined])
        {
            (State, Applied, _stateHash) = (copy.State, copy.Copy.Committed.Steps, null);
            if (!_world.Sharded)
            {
                copy.Moments.CopyTo(_moments, 0);
                _holds = AllSlices;
            }

            _world.Checker.StateIs(this);
        }

        Do(actions);
    }

    public void CopyBroke(CopyState copy) => Do(Machine.CopyFailed(copy, "the donor cannot be read"));

    private static uint Mask(LaneRange range) => (uint)((1UL << range.End) - (1UL << range.Start));

    private static (long Term, long Generation) FenceOf(object message) => message switch
    {
        BeginStep m => (m.Term, m.Generation),
        Commit m => (m.Term, m.Generation),
        Query m => (m.Term, m.Generation),
        CopyState m => (m.Term, m.Generation),
        Evicted m => (m.Term, m.Generation),
        _ => (long.MaxValue, 0),
    };

    private static object Refence(object message, (long Term, long Generation) fence) => message switch
    {
        BeginStep m => m with { Term = fence.Term, Generation = fence.Generation },
        Commit m => m with { Term = fence.Term, Generation = fence.Generation },
        Query m => m with { Term = fence.Term, Generation = fence.Generation },
        CopyState m => m with { Term = fence.Term, Generation = fence.Generation },
        Evicted m => m with { Term = fence.Term, Generation = fence.Generation },
        _ => message,
    };

    /// <summary>A begun step.</summary>
    private sealed class Work(BeginStep begin, int place, ExchangeKey key)
    {
        public BeginStep Begin { get; } = begin;

        public int Place { get; } = place;

        public ExchangeKey Key { get; } = key;

        public int[] Missing { get; } = new int[Oracle.Slices];

        public ulong[]?[,] Nodes { get; } = new ulong[]?[Oracle.Slices, begin.Members.Count];

        public uint Slices { get; set; }

        /// <summary>Slices whose parameters after the step are here.</summary>
        public uint Updated { get; set; }

        /// <summary>What the others hold: a mask, then a value for every slice.</summary>
        public ulong[]?[] Holdings { get; } = new ulong[]?[begin.Members.Count];

        public int Told { get; set; }

        public int Done { get; set; }
    }
}
