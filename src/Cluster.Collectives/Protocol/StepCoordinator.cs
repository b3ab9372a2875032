// Enters: replicas' messages, outcomes of writes and probes, wishes of the stage's driver and of operators. Leaves: actions.
// Does not know: grains, sockets, clocks, threads, gradients. StepCoordinator.Membership.cs has who takes part, this file has steps.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>
/// Decides when a step is done: READY from every member with one hash → one durable COMMIT → apply. A pure state machine: it does
/// no I/O, reads no clock and starts nothing; every call returns what is to be done, in order. Numbers in brackets are rules of
/// determinism.md.
/// <para>
/// One activation of the coordinator has one machine. It begins with <see cref="StartJob"/> (a new job) or <see cref="TakeOver"/> (a
/// job that an earlier activation left), takes a term by its first write, and says nothing before that write is stored [11]. Then it
/// goes round: boundary (newcomers are taken in, the drained leave) → BEGIN → READY from all → write → boundary. Two things only are
/// ever awaited besides READYs: a write (<see cref="CoordinatorAction.Store"/>), and reports of where replicas are (QUERY), after a
/// takeover, when the last member is lost, and before newcomers copy a state.
/// </para>
/// </summary>
public sealed partial class StepCoordinator
{
    private readonly uint _nonce;
    private readonly LaneBalance? _balance;
    private readonly Dictionary<string, Ready> _ready = new(StringComparer.Ordinal);
    private Phase _phase = Phase.Empty;
    private RunIdentity _identity = new("");
    private int _lanes, _expected;
    private long _term, _revision, _higherTerm;
    private CommitRecord _committed = new(0, 0, "", 0);
    private CoordinatorRecord? _stored, _writing;
    private string? _stopping;
    private bool _reading, _untold, _announced, _gathering, _sharded, _momentsLost;
    private LaneAssignment? _assignment;
    private BeginStep? _begun;
    private IReadOnlyList<Member>? _storedOf;
    private HashSet<Member> _storedMembers = [];

    /// <summary>Whether the lanes are divided as they stay for as long as nobody comes or leaves, or is slower than it was.</summary>
    private bool _isSettled;

    /// <param name="nonce">A random number of this activation's own, see <see cref="Term"/>.</param>
    /// <param name="balance">Divides the lanes by the members' speeds; null leaves them divided evenly.</param>
    public StepCoordinator(uint nonce, LaneBalance? balance = null) => (_nonce, _balance) = (nonce, balance);

    private enum Phase
    {
        /// <summary>There is no job: the store is empty.</summary>
        Empty,

        /// <summary>The write that takes a term is under way.</summary>
        TakingTerm,

        /// <summary>Starters are awaited.</summary>
        Gathering,

        /// <summary>Replicas are asked where they are.</summary>
        Asking,

        /// <summary>No step is under way.</summary>
        Boundary,

        /// <summary>A step is under way.</summary>
        Working,

        /// <summary>The run cannot go on.</summary>
        Stopped,

        /// <summary>Another activation is in charge.</summary>
        Silent,
    }

    /// <summary>This activation's term; 0 before it is stored.</summary>
    public long CurrentTerm => _term;

    /// <summary>The membership's generation; 0 before the first step.</summary>
    public long Generation { get; private set; }

    /// <summary>Who takes part, in lane order; the same object as long as nobody comes or leaves.</summary>
    public Roster Members => _members.Snapshot();

    /// <summary>The last stored outcome.</summary>
    public CommitRecord Committed => _committed;

    /// <summary>The coordinator rests when this many steps are committed.</summary>
    public long LastStep { get; private set; }

    /// <summary>
    /// Lanes that were assigned to a replica which left before their step was committed, and so had to be computed by others. Counted
    /// when it leaves, whether it had got to them or not.
    /// </summary>
    public long LostLanes { get; private set; }

    /// <summary>Whether it rests: the run is at a boundary, and the last step asked for is committed.</summary>
    public bool Resting => _phase == Phase.Boundary && _committed.Steps >= LastStep && _members.Count > 0;

    /// <summary>Whether the store is out: training waits for it.</summary>
    public bool StoreIsOut => _reading;

    /// <summary>
    /// Begins a job; its replicas join by themselves. The grain calls it once, first of all.
    /// </summary>
    /// <param name="found">What the store holds: an earlier job's record under the same key, or null.</param>
    /// <param name="identity">Of the new job, with an empty fingerprint.</param>
    /// <param name="lanes">Lanes of the recipe.</param>
    /// <param name="starters">How many replicas the first generation waits for.</param>
    /// <param name="start">The state that the job begins with; steps 0 for a new run.</param>
    /// <param name="lastStep">The coordinator rests when this many steps are committed.</param>
    /// <param name="sharded">Whether replicas share the optimizer's state [16].</param>
    public IReadOnlyList<CoordinatorAction> StartJob(
        CoordinatorRecord? found, RunIdentity identity, int lanes, int starters, CommitRecord start, long lastStep, bool sharded = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(starters, 1);
        if (_phase != Phase.Empty)
            throw new InvalidOperationException("A machine has one job.");
        (_identity, _lanes, _expected, _committed, LastStep, _stored) = (identity, lanes, starters, start, lastStep, found);
        (_revision, _sharded) = (found?.Revision ?? 0, sharded);
        var actions = new List<CoordinatorAction>();
        TakeTerm(found?.Term ?? 0, actions);
        return actions;
    }

    /// <summary>
    /// A new activation takes a job over [11]. The grain calls it once, first of all, with what it read from the store.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> TakeOver(CoordinatorRecord found)
    {
        if (_phase != Phase.Empty)
            throw new InvalidOperationException("A machine has one job.");
        (_identity, _lanes, _expected, _committed, LastStep, _stored) =
            (found.Identity, found.Lanes, found.Expected, found.Committed, found.LastStep, found);
        (_revision, Generation, LostLanes) = (found.Revision, found.Generation, found.LostLanes);
        (_sharded, _momentsLost) = (found.Sharded, found.MomentsLost);
        foreach (var member in found.Members)
            _apart[member.Id] = member;
        var actions = new List<CoordinatorAction>();
        if (found.Stopped is not null)
            return StopNow(found.Stopped, actions);
        TakeTerm(found.Term, actions);
        return actions;
    }

    /// <summary>
    /// Goes on to a later step than <see cref="LastStep"/>, which is stored before anyone begins. The stage's driver calls it; an earlier
    /// step than was asked for already changes nothing, so that it may be said twice.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Continue(long lastStep)
    {
        if (Silent || _phase == Phase.Empty || lastStep <= LastStep)
            return [];
        LastStep = lastStep;
        _announced = false;
        var actions = new List<CoordinatorAction>();
        Advance(actions);
        return actions;
    }

    /// <summary>
    /// Rests as soon as the step at hand is committed; <see cref="Continue"/> goes on from there. The stage's driver calls it, and calls
    /// it again until the run rests: an activation that takes over in between knows only the step that was asked for before.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Halt()
    {
        if (Silent || _phase == Phase.Empty || _committed.Steps >= LastStep)
            return [];
        LastStep = _committed.Steps + (_phase == Phase.Working ? 1 : 0);
        var actions = new List<CoordinatorAction>();
        if (_members.Count > 0)
            Announce(actions);
        return actions;
    }

    /// <summary>A replica has the reduced gradient [10]. Anything of another term, generation or step is left unanswered [11].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Ready ready)
    {
        var actions = new List<CoordinatorAction>();
        if (!Hear(ready.Member, ready.Term, actions))
            return actions;
        var place = PlaceOf(ready.Member);
        if (_phase != Phase.Working || _writing is not null || _stopping is not null || place < 0
            || ready.Term != _term || ready.Generation != Generation || ready.Step != _committed.Steps)
        {
            return actions;
        }

        if (ready.Losses.Count != _assignment![place].Count)
        {
            return Stop(
                $"Replica {ready.Member} reports {ready.Losses.Count} lanes at step {ready.Step}; {_assignment[place].Count} are its own.", actions);
        }

        _ready[ready.Member] = ready;
        // Those who came before are equal to each other: one of them stands for all.
        foreach (var other in _ready.Values)
        {
            if (other.Member == ready.Member)
                continue;
            if (ready.GradientHash != other.GradientHash)
            {
                return Stop($"At step {ready.Step} replica {other.Member} has gradient {other.GradientHash} and replica {ready.Member} has "
                    + $"{ready.GradientHash}: equal inputs gave unequal bits.", actions);
            }

            if (ready.ParametersHash != other.ParametersHash)
            {
                return Stop($"After step {ready.Step} replica {other.Member} has parameters {other.ParametersHash} and replica {ready.Member} has "
                    + $"{ready.ParametersHash}: equal inputs gave unequal bits.", actions);
            }

            break;
        }

        if (_ready.Count < _members.Count)
            return actions;
        foreach (var one in _ready.Values)
            _balance?.Observe(one.Member, one.LaneSeconds);
        var losses = new double[_lanes];
        for (var (member, lane) = (0, 0); member < _members.Count; member++)
        {
            foreach (var loss in _ready[_members[member].Id].Losses)
                losses[lane++] = loss;
        }

        Write(new CommitRecord(_term, _committed.Steps + 1, ready.GradientHash, LaneTree.Sum(losses), ready.GradientNorm), actions);
        return actions;
    }

    /// <summary>The record under way is stored. The grain calls it after <see cref="CoordinatorAction.Store"/>.</summary>
    public IReadOnlyList<CoordinatorAction> Stored()
    {
        if (Silent || _writing is null)
            return [];
        var actions = new List<CoordinatorAction>();
        (_stored, _writing, _reading) = (_writing, null, false);
        if (_stored.Stopped is not null)
            return StopNow(_stored.Stopped, actions);
        if (_stored.Term != _term)
            TermTaken();
        if (_stored.Committed.Steps > _committed.Steps)
        {
            // From here on the step is done, whatever happens to whom [10].
            _committed = _stored.Committed;
            actions.Add(new CoordinatorAction.Committed(_committed));
            AtBoundary();
            _untold = true;
            _announced = false;
        }

        Advance(actions);
        return actions;
    }

    /// <summary>The store held something else than this activation had left there: another one is in charge [11].</summary>
    public IReadOnlyList<CoordinatorAction> StoreConflict(string reason) => Silent ? [] : Deactivate(reason, []);

    /// <summary>
    /// The write may or may not have happened (a time-out, a broken connection), or the read after it failed. Training waits; the
    /// machine goes on as soon as the store can be read.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> StoreUnavailable(string reason)
    {
        if (Silent || (_writing is null && !_reading))
            return [];
        _reading = true;
        return [new CoordinatorAction.ReadStore(reason)];
    }

    /// <summary>
    /// What the store holds, in answer to <see cref="CoordinatorAction.ReadStore"/>. It settles a write with an unknown outcome. (And where
    /// no job was found, but a replica knows of one, it tells a lost store, which is never silently recreated, from an early read [11].)
    /// </summary>
    public IReadOnlyList<CoordinatorAction> StoreRead(CoordinatorRecord? found)
    {
        if (Silent || !_reading)
            return [];
        if (_phase == Phase.Empty)
        {
            return found is not null
                ? Deactivate("The store was read before it held the run.", [])
                : StopNow("The store is empty, but a replica of this run knows its coordinator: the store has been lost.", []);
        }

        if (_writing!.IsSameWrite(found))
            return Stored();
        _reading = false;
        if (found is null && _stored is not null)
            return StopNow($"The store has come back empty: it does not know this run, which has committed {_committed.Steps} steps.", []);

        // Exactly what was there before: nobody has written since. Anything else, an older record too (the store may have lost writes,
        // and another activation gone on from what was left), is for the next activation to settle with the replicas.
        if (found is null || found.IsSameWrite(_stored))
            return [new CoordinatorAction.Store(_writing)];
        return Deactivate($"The store holds revision {found.Revision} of term {found.Term}.", []);
    }

    /// <summary>
    /// Says again what has not been answered: messages get lost. The driver calls it where nothing has happened for a while (a second,
    /// say).
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Remind()
    {
        if (!Speaks)
            return [];
        var actions = new List<CoordinatorAction>();
        foreach (var id in _apart.Keys)
        {
            if (!_asked.ContainsKey(id))
                TellEvicted(id, actions);
        }

        if (_phase == Phase.Asking)
            actions.Add(new CoordinatorAction.SendQuery(_query!, [.. _asked.Values]));
        if (_phase == Phase.Working && _writing is null)
            actions.Add(new CoordinatorAction.SendBegin(_begun!, [.. _members.Where(m => !_ready.ContainsKey(m.Id))]));
        if (_phase == Phase.Boundary)
        {
            if (_members.Count > 0)
                actions.Add(new CoordinatorAction.SendCommit(new Commit(_term, Generation, _committed), Members));
            foreach (var newcomer in _newcomers)
            {
                if (newcomer.Copy is { } copy)
                    actions.Add(new CoordinatorAction.SendCopy(copy, newcomer.Member));
            }
        }

        return actions;
    }

    /// <summary>
    /// Whom the coordinator waits for: for a READY, a report or the end of a copy. One that stays in it for longer than
    /// <see cref="StallLimit"/> is the driver's to report by <see cref="Stalled"/>. Nobody while the store is written or read.
    /// </summary>
    public IEnumerable<string> Awaited => _writing is not null ? [] : _phase switch
    {
        Phase.Asking => _asked.Keys,
        Phase.Working => _members.Where(m => !_ready.ContainsKey(m.Id)).Select(m => m.Id),
        Phase.Boundary => _newcomers.Where(n => n.Copy is not null).Select(n => n.Member.Id),
        _ => [],
    };

    private bool Silent => _phase is Phase.Stopped or Phase.Silent;

    /// <summary>Whether it holds a term and may command.</summary>
    private bool Speaks => _phase is Phase.Gathering or Phase.Asking or Phase.Boundary or Phase.Working;

    /// <summary>Goes as far as it can without waiting for anyone.</summary>
    private void Advance(List<CoordinatorAction> actions)
    {
        if (_writing is not null || !(Speaks || _phase == Phase.TakingTerm))
            return;
        if (_stopping is not null)
        {
            Write(_committed, actions);
            return;
        }

        if (_higherTerm > _term)
        {
            TakeTerm(_higherTerm, actions);
            return;
        }

        if (_phase != Phase.Boundary)
            return;
        Release(actions);
        if (_members.Count > 0 && _committed.Steps >= LastStep)
            Announce(actions);
        if (MustWrite())
        {
            Tell(actions);
            Write(_committed, actions);
        }
        else if (_members.Count == 0)
        {
            AskForSurvivors(actions);
        }
        else if (TakeIn(actions) && _committed.Steps < LastStep)
        {
            Begin(actions);
        }
    }

    /// <summary>Whether something must be durable before the run goes on: the state's step, who may hold that state, and how far to go.</summary>
    private bool MustWrite()
    {
        if (LastStep > _stored!.LastStep || _committed != _stored.Committed)
            return true;
        if (_newcomers.Count == 0 && ReferenceEquals(_stored.Members, _members.Snapshot()))
            return false;
        foreach (var member in _members)
        {
            if (!IsStored(member))
                return true;
        }

        foreach (var newcomer in _newcomers)
        {
            if (!newcomer.Waits && !IsStored(newcomer.Member))
                return true;
        }

        return false;
    }

    private bool IsStored(Member member)
    {
        var stored = _stored!.Members;
        if (stored.Count > Roster.Few)
        {
            if (!ReferenceEquals(_storedOf, stored))
                (_storedOf, _storedMembers) = (stored, [.. stored]);
            return _storedMembers.Contains(member);
        }

        foreach (var known in stored)
        {
            if (known == member)
                return true;
        }

        return false;
    }

    private void Begin(List<CoordinatorAction> actions)
    {
        if (_changed)
            Generation++;
        if (_changed || !_isSettled)
            Arrange();
        else if (_balance?.Improve(_assignment!, Members) is { } better)
            _assignment = better; // in the same generation: frames name the step too, and nobody has to connect anew [12]
        _changed = false;
        (_phase, _untold, _agreed) = (Phase.Working, false, null);
        _ready.Clear();
        _begun = new BeginStep(_term, Generation, _committed.Steps, Members, _assignment!, _committed);
        actions.Add(new CoordinatorAction.SendBegin(_begun, _begun.Members));
    }

    /// <summary>The survivors keep their lanes and take the lost ones over, in a new generation [14].</summary>
    private void BeginAgain(LaneAssignment assignment, List<CoordinatorAction> actions)
    {
        Generation++;
        (_changed, _isSettled) = (false, false);
        _assignment = assignment;
        _ready.Clear();
        _begun = new BeginStep(_term, Generation, _committed.Steps, Members, assignment, _committed);
        actions.Add(new CoordinatorAction.SendBegin(_begun, _begun.Members));
    }

    /// <summary>Tells the outcome of a step to those who wait for it, where no BEGIN tells it.</summary>
    private void Tell(List<CoordinatorAction> actions)
    {
        if (_untold && _members.Count > 0)
            actions.Add(new CoordinatorAction.SendCommit(new Commit(_term, Generation, _committed), Members));
        _untold = false;
    }

    private void Announce(List<CoordinatorAction> actions)
    {
        Tell(actions);
        if (!_announced && _committed.Steps >= LastStep)
            actions.Add(new CoordinatorAction.Finished(_committed.Steps));
        _announced = _committed.Steps >= LastStep;
    }

    private void AtBoundary()
    {
        _phase = Phase.Boundary;
        _ready.Clear();
        _held.Clear();
        foreach (var newcomer in _newcomers)
            newcomer.Waits = false;
    }

    private void TakeTerm(long above, List<CoordinatorAction> actions)
    {
        _gathering = _phase == Phase.Gathering || (_phase == Phase.Empty && _apart.Count == 0) || (_phase == Phase.TakingTerm && _gathering);
        if (!_gathering)
            SetEveryoneApart();
        _phase = Phase.TakingTerm;
        Write(_committed, actions, Term.Next(above, _nonce));
    }

    private void TermTaken()
    {
        _term = _stored!.Term;
        _changed = true;
        if (_gathering)
            _phase = Phase.Gathering;
        else
            AtBoundary();
    }

    private void Write(CommitRecord committed, List<CoordinatorAction> actions, long? term = null)
    {
        _writing = new CoordinatorRecord(
            _identity, term ?? _term, ++_revision, Generation, _lanes, _expected, Known(), committed, LastStep, LostLanes,
            _stopping, _sharded, _momentsLost);
        actions.Add(new CoordinatorAction.Store(_writing));
    }

    /// <summary>
    /// Stops the run as soon as the store confirms that this activation is the one in charge: one that has been left behind sees
    /// everybody lost, and must not end what goes on without it [11].
    /// </summary>
    private List<CoordinatorAction> Stop(string reason, List<CoordinatorAction> actions)
    {
        _stopping ??= reason;
        if (_writing is null)
            Write(_committed, actions);
        return actions;
    }

    private List<CoordinatorAction> StopNow(string reason, List<CoordinatorAction> actions)
    {
        _phase = Phase.Stopped;
        actions.Add(new CoordinatorAction.Stop(reason, _momentsLost));
        return actions;
    }

    private List<CoordinatorAction> Deactivate(string reason, List<CoordinatorAction> actions)
    {
        _phase = Phase.Silent;
        actions.Add(new CoordinatorAction.Deactivate(reason));
        return actions;
    }
}
