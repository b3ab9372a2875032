// Who takes part: starters, the dead, the evicted, newcomers, those who leave; and where everybody is after a takeover.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

public sealed partial class StepCoordinator
{
    /// <summary>Takes part: computes lanes, or idles where there are fewer lanes than members.</summary>
    private readonly MemberList _members = new();

    /// <summary>Offered themselves; they copy a state at a boundary.</summary>
    private readonly List<Newcomer> _newcomers = [];

    /// <summary>May hold a state but takes no part: evicted and not known to be dead, or left by an earlier activation and not heard from.</summary>
    private readonly Dictionary<string, Member> _apart = new(StringComparer.Ordinal);

    /// <summary>Asked where they are, not answered yet.</summary>
    private readonly Dictionary<string, Member> _asked = new(StringComparer.Ordinal);

    private readonly SortedDictionary<string, Report> _reports = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LaneRange> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Term, long Generation)> _gone = new(StringComparer.Ordinal);
    private readonly HashSet<string> _draining = new(StringComparer.Ordinal);
    private readonly HashSet<string> _refused = new(StringComparer.Ordinal);
    private Query? _query;
    private string? _agreed;
    private bool _changed = true;

    /// <summary>Newcomers taken in after the first generation.</summary>
    public long JoinedReplicas { get; private set; }

    /// <summary>Boundaries at which updates waited for newcomers [15]: steps that began late because somebody joined.</summary>
    public long StalledSteps { get; private set; }

    /// <summary>Whether newcomers are being taken in, and updates wait for them; the driver measures for how long.</summary>
    public bool TakingIn => _phase is Phase.Asking or Phase.Boundary && _members.Count > 0 && _newcomers.Exists(n => !n.Waits);

    /// <summary>A replica offers itself with the steps it has applied and the hashes of its state and arithmetic [9, 15].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Join join)
    {
        var (member, id) = (join.Member, join.Member.Id);
        var actions = new List<CoordinatorAction>();
        if (Silent)
            return actions;
        if (_phase != Phase.Empty && _identity.Difference(join.Identity) is { } difference)
            return Refuse(member, difference, actions, isStarter: join.Term == 0 || join.Identity.Run == _identity.Run);
        if (!Hear(null, join.Term, actions) || _asked.ContainsKey(id) || _reports.ContainsKey(id))
            return actions; // its report says where it is
        if (_gone.TryGetValue(id, out var gone) && (join.Term, join.Generation).CompareTo(gone) < 0)
            return actions; // said before it was evicted or released
        if (_phase == Phase.Gathering)
            return TakeStarter(join, actions);
        if (PlaceOf(id) >= 0)
        {
            // Said before it was taken in; or else a member that cannot take the step at hand.
            if (Generation == 0 || (join.Term, join.Generation).CompareTo((_term, Generation)) < 0)
                return actions;
            if (join.Steps > _committed.Steps)
            {
                // It is ahead: the store has lost writes. Everyone is asked, as after a takeover [11].
                SetEveryoneApart();
                AtBoundary();
                Advance(actions);
                return actions;
            }

            if (_members.Count == 1)
                return actions;
            Depart(id, mayLive: true, actions);
        }

        Offered(member, join.Steps, join.StateHash);
        Advance(actions);
        return actions;
    }

    /// <summary>
    /// Starts with the replicas that have joined: the others have not come in time. The driver calls it after a limit. Where nobody has
    /// come it goes on waiting.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> GiveUpWaiting()
    {
        if (_phase != Phase.Gathering || _members.Count == 0)
            return [];
        _expected = _members.Count;
        var actions = new List<CoordinatorAction>();
        StartWhenComplete(actions);
        return actions;
    }

    /// <summary>
    /// A replica is gone for good: its process has ended or its silo is declared dead [13]. (For one that only cannot be reached see
    /// <see cref="Stalled"/>.) The survivors keep their lanes and take over the lost ones in a new generation [14]; a step whose COMMIT
    /// is being stored is not touched, for a COMMIT is never undone [10].
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Lose(string member, string reason) => Lose([member], reason);

    /// <summary>Several are gone at once, as when their silo is: one generation begins without all of them.</summary>
    public IReadOnlyList<CoordinatorAction> Lose(IReadOnlyCollection<string> members, string reason)
    {
        var actions = new List<CoordinatorAction>();
        if (!Silent && _phase != Phase.Empty)
            Depart(members, mayLive: false, actions);
        return actions;
    }

    /// <summary>A replica could not reach a peer: that one is evicted at once, and its silo is probed before anyone is declared dead [13].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(PeerLost lost)
    {
        var actions = new List<CoordinatorAction>();
        // A report about an earlier generation says nothing about this one's links, and one from outside is hearsay.
        if (Hear(lost.Reporter, lost.Term, actions) && (lost.Term, lost.Generation) == (_term, Generation)
            && PlaceOf(lost.Reporter) >= 0 && PlaceOf(lost.Lost) >= 0 && lost.Reporter != lost.Lost)
        {
            Evict(lost.Lost, actions);
        }

        return actions;
    }

    /// <summary>
    /// A replica has shown no sign for longer than <see cref="StallLimit"/>, or has not answered a QUERY or finished a copy in time.
    /// The driver calls it. The replica is left out and its silo probed; the last one that may hold the state is only probed.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Stalled(string member)
    {
        var actions = new List<CoordinatorAction>();
        if (!Silent && _phase != Phase.Empty)
            Evict(member, actions);
        return actions;
    }

    /// <summary>The probed silo lives: its replica learns that it was evicted and may offer itself.</summary>
    public IReadOnlyList<CoordinatorAction> ProbeAnswered(string member)
    {
        var actions = new List<CoordinatorAction>();
        if (Speaks && _apart.ContainsKey(member) && !_asked.ContainsKey(member))
            TellEvicted(member, actions);
        return actions;
    }

    /// <summary>
    /// The probed silo does not answer either: it is to be declared dead [13]. Only when the membership has it for dead, and so keeps it
    /// from ever acting again, does the driver call <see cref="Lose"/>: until then it may hold the only copy of the state.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> ProbeFailed(string member, string reason) =>
        Silent || _phase == Phase.Empty || Find(member) is not { } found ? [] : [new CoordinatorAction.DeclareDead(found, reason)];

    /// <summary>
    /// A replica is to leave: at the next boundary it does, and no lane is lost. Answered by Released or DrainRefused; an activation
    /// that takes over does not know of it, so whoever wants it says it again until then.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Drain(string member)
    {
        var actions = new List<CoordinatorAction>();
        if (!Speaks)
            return actions;
        var staying = 0;
        foreach (var m in _members)
            staying += m.Id != member && !_draining.Contains(m.Id) ? 1 : 0;
        if (PlaceOf(member) >= 0 || _asked.ContainsKey(member))
        {
            if (staying == 0 && _members.Count > 0)
            {
                actions.Add(new CoordinatorAction.DrainRefused(member, $"Replica {member} is the last one: the run's state would be lost."));
                return actions;
            }

            if (_phase == Phase.Gathering)
            {
                actions.Add(new CoordinatorAction.Released(member));
                Depart(member, mayLive: false, actions);
                return actions;
            }

            _draining.Add(member);
        }
        else
        {
            // Nothing of the run is lost with it.
            actions.Add(new CoordinatorAction.Released(member));
            Depart(member, mayLive: false, actions);
        }

        Advance(actions);
        return actions;
    }

    /// <summary>A replica says where it is.</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Report report)
    {
        var actions = new List<CoordinatorAction>();
        var id = report.Member.Id;
        if (!Hear(id, report.Term, actions) || _phase != Phase.Asking || (report.Term, report.Generation) != (_term, Generation) || !_asked.Remove(id))
            return actions;
        _reports[id] = report;
        if (_asked.Count == 0)
            Assess(actions);
        return actions;
    }

    /// <summary>
    /// No member has some moments that one of them is to hold [16]. Everyone who may live is asked what it holds: the last copy may be with
    /// one that was evicted.
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Receive(MomentsMissing missing)
    {
        var actions = new List<CoordinatorAction>();
        if (Hear(missing.Member, missing.Term, actions) && _phase == Phase.Working && _writing is null && PlaceOf(missing.Member) >= 0
            && (missing.Term, missing.Generation, missing.Step) == (_term, Generation, _committed.Steps))
        {
            SetEveryoneApart();
            AtBoundary();
            Advance(actions);
        }

        return actions;
    }

    /// <summary>A newcomer has the committed state.</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Joined joined)
    {
        var actions = new List<CoordinatorAction>();
        if (!Hear(joined.Member, joined.Term, actions) || _phase != Phase.Boundary || joined.Term != _term
            || joined.Steps != _committed.Steps || joined.StateHash != _agreed)
        {
            return actions;
        }

        if (_newcomers.Find(n => n.Member.Id == joined.Member && n.Copy is not null) is { } newcomer)
        {
            Admit(newcomer);
            Advance(actions);
        }

        return actions;
    }

    /// <summary>A newcomer could not copy from a donor: another one is tried.</summary>
    public IReadOnlyList<CoordinatorAction> Receive(CopyFailed failed)
    {
        var actions = new List<CoordinatorAction>();
        if (!Hear(failed.Member, failed.Term, actions) || failed.Term != _term
            || _newcomers.Find(n => n.Member.Id == failed.Member && n.Copy?.Donor.Id == failed.Donor) is not { } newcomer
            || newcomer.Copy!.Committed.Steps != failed.Steps)
        {
            return actions;
        }

        newcomer.Failed.Add((failed.Donor, failed.Reason));
        newcomer.Copy = null;
        Advance(actions);
        return actions;
    }

    /// <summary>A replica reminds of itself, or knows a later term [11].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Presence presence)
    {
        var actions = new List<CoordinatorAction>();
        Hear(presence.Member, presence.Term, actions);
        return actions;
    }

    /// <summary>
    /// Whether what a replica says may matter. A term that is higher than this activation's is the trace of another one: either that
    /// one is in charge, and the next write says so, or the store has lost its writes, and this one takes a higher term still [11].
    /// A replica of a run that the store does not know stops it: nothing is recreated silently. One that takes no part is told.
    /// </summary>
    private bool Hear(string? member, long term, List<CoordinatorAction> actions)
    {
        if (Silent)
            return false;
        if (_phase == Phase.Empty)
        {
            if (term > 0 && !_reading)
            {
                // Either the store has been lost, or it was read before another activation's first write.
                _reading = true;
                actions.Add(new CoordinatorAction.ReadStore($"The store is empty, but a replica knows of {Term.Count(term)} activations."));
            }

            return false;
        }

        if (term > Math.Max(_term, _writing?.Term ?? 0))
        {
            _higherTerm = Math.Max(_higherTerm, term);
            Advance(actions);
            return false;
        }

        if (!Speaks)
            return false;
        if (member is not null && PlaceOf(member) < 0 && !_asked.ContainsKey(member) && !_reports.ContainsKey(member)
            && !_newcomers.Exists(n => n.Member.Id == member))
        {
            TellEvicted(member, actions);
        }

        return true;
    }

    private List<CoordinatorAction> TakeStarter(Join join, List<CoordinatorAction> actions)
    {
        var (member, id) = (join.Member, join.Member.Id);
        if (PlaceOf(id) >= 0)
            return actions;
        if (join.Steps > _committed.Steps)
        {
            return Stop($"The store does not know that the run has begun, but replica {id} has applied {join.Steps} steps of it: the store has "
                + "lost them.", actions);
        }

        if (join.Steps != _committed.Steps)
            return Refuse(member, $"The replica has applied {join.Steps} steps, the run has committed {_committed.Steps}.", actions);
        if (_agreed is not null && join.StateHash != _agreed)
            return Refuse(member, $"The replica's state hash is {join.StateHash}, the others' is {_agreed}.", actions);
        _agreed = join.StateHash;
        _identity = join.Identity;
        _members.Add(member);
        StartWhenComplete(actions);
        return actions;
    }

    private void StartWhenComplete(List<CoordinatorAction> actions)
    {
        if (_expected < 1)
        {
            Stop("No replica can take part: every one is refused.", actions);
        }
        else if (_members.Count >= _expected)
        {
            _phase = Phase.Boundary;
            // The order of lanes follows names, not arrival. (It would not matter for the bits; it does for a reader of logs.)
            _members.Sort(ByName);
            Advance(actions);
        }
    }

    /// <summary>Refuses for good; where the first generation waits for it, that one begins without it.</summary>
    private List<CoordinatorAction> Refuse(Member member, string reason, List<CoordinatorAction> actions, bool isStarter = true)
    {
        actions.Add(new CoordinatorAction.Refuse(member, reason));
        // One that is left of an earlier job was never waited for.
        if (isStarter && _refused.Add(member.Id) && _phase == Phase.Gathering)
        {
            _expected--;
            StartWhenComplete(actions);
        }

        return actions;
    }

    /// <summary>Leaves a replica out that may live, and has it probed; never the last one that may hold the state.</summary>
    private void Evict(string id, List<CoordinatorAction> actions)
    {
        if (Find(id) is not { } member)
            return;
        actions.Add(new CoordinatorAction.Probe(member));
        var isLast = _phase == Phase.Asking
            ? _asked.Count == 1 && _asked.ContainsKey(id) && !AnyReportOfTheState()
            : _members.Count == 1 && _members[0].Id == id;
        if (_phase != Phase.TakingTerm && !isLast)
            Depart(id, mayLive: true, actions);
    }

    private bool AnyReportOfTheState()
    {
        foreach (var report in _reports.Values)
        {
            if (report.Applied >= _committed.Steps)
                return true;
        }

        return false;
    }

    /// <summary>Takes a replica out of wherever it is, and goes on without it.</summary>
    private void Depart(string id, bool mayLive, List<CoordinatorAction> actions) => Depart([id], mayLive, actions);

    /// <summary>Takes replicas out of wherever they are, and goes on without them.</summary>
    private void Depart(IReadOnlyCollection<string> ids, bool mayLive, List<CoordinatorAction> actions)
    {
        var isWorking = _phase == Phase.Working && _writing is null;
        var (known, awaited, members) = (false, _asked.Count, new HashSet<string>(StringComparer.Ordinal));
        foreach (var id in ids)
        {
            if (Find(id) is not { } member)
                continue;
            known = true;
            if (mayLive)
                _apart[id] = member;
            else
                _apart.Remove(id);
            var place = PlaceOf(id);
            if (place >= 0 && members.Add(id) && isWorking)
                LostLanes += _assignment![place].Count;
            _newcomers.RemoveAll(n => n.Member.Id == id);
            _reports.Remove(id);
            _asked.Remove(id);
            _gone[id] = (_term, Generation);
        }

        if (!known)
            return;
        RemoveMembers(members);
        switch (_phase)
        {
            case Phase.Gathering when members.Count > 0:
                _expected = Math.Max(1, _expected - members.Count);
                StartWhenComplete(actions);
                break;
            case Phase.Asking:
                if (awaited > 0 && _asked.Count == 0)
                    Assess(actions);
                break;
            case Phase.Working when members.Count > 0 && isWorking:
                if (_members.Count > 0)
                {
                    BeginAgain(LaneAssignment.Keeping(_lanes, [.. _members.Select(m => _assignment![_begun!.Members.PlaceOf(m.Id)])]), actions);
                }
                else
                {
                    AtBoundary();
                    Advance(actions);
                }

                break;
            case Phase.Boundary:
                Advance(actions);
                break;
        }
    }

    private void RemoveMembers(HashSet<string> ids)
    {
        if (ids.Count == 0)
            return;
        _members.RemoveAll(m => ids.Contains(m.Id));
        foreach (var id in ids)
        {
            _ready.Remove(id);
            _draining.Remove(id);
        }

        _changed = true;
        foreach (var newcomer in _newcomers)
        {
            if (newcomer.Copy is { } copy && ids.Contains(copy.Donor.Id))
                newcomer.Copy = null;
        }
    }

    /// <summary>Lets those go who wish to leave.</summary>
    private void Release(List<CoordinatorAction> actions)
    {
        // Where moments are shared a replica goes when the others have made up for the one before: not two at a time, or a slice might go
        // with both who hold it [16].
        if (_draining.Count == 0 || (_sharded && _changed))
            return;
        var leaving = new HashSet<string>(StringComparer.Ordinal);
        for (var place = _members.Count - 1; place >= 0; place--)
        {
            var id = _members[place].Id;
            if (!_draining.Remove(id))
                continue;
            if (leaving.Count == _members.Count - 1)
            {
                actions.Add(new CoordinatorAction.DrainRefused(id, $"Replica {id} is the last one: the run's state would be lost."));
                continue;
            }

            if (_sharded && leaving.Count > 0)
            {
                _draining.Add(id);
                continue;
            }

            leaving.Add(id);
            _gone[id] = (_term, Generation);
            actions.Add(new CoordinatorAction.Released(id));
        }

        RemoveMembers(leaving);
    }

    private void Offered(Member member, long steps, string stateHash)
    {
        _apart.Remove(member.Id);
        if (_newcomers.Find(n => n.Member.Id == member.Id) is { } known)
        {
            if (known.Copy is null)
                (known.Steps, known.StateHash) = (steps, stateHash);
            return;
        }

        // Who comes while others are taken in waits for the next boundary, so that no stream of newcomers can hold the run up.
        _newcomers.Add(new Newcomer(member) { Steps = steps, StateHash = stateHash, Waits = TakingIn });
    }

    /// <summary>
    /// Takes in everyone who waited when the boundary was reached; false where somebody is still awaited. All members' states are
    /// compared first, and a copy counts only if its hash is theirs [15].
    /// </summary>
    private bool TakeIn(List<CoordinatorAction> actions)
    {
        if (!_newcomers.Exists(n => !n.Waits))
        {
            if (_newcomers.Count == 0 || _committed.Steps < LastStep)
                return true;
            // At rest nobody has to wait for another boundary.
            foreach (var newcomer in _newcomers)
                newcomer.Waits = false;
            Advance(actions);
            return false;
        }

        if (_agreed is null)
        {
            StalledSteps++;
            Ask(Members, actions);
            return false;
        }

        var serves = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var newcomer in _newcomers)
        {
            if (newcomer.Copy is { } copy)
                serves[copy.Donor.Id] = serves.GetValueOrDefault(copy.Donor.Id) + 1;
        }

        for (var i = _newcomers.Count - 1; i >= 0; i--)
        {
            var newcomer = _newcomers[i];
            if (newcomer.Waits || newcomer.Copy is not null)
                continue;
            if (newcomer.Steps == _committed.Steps && newcomer.StateHash == _agreed)
            {
                Admit(newcomer);
            }
            else if (ChooseDonor(newcomer, serves) is { } donor)
            {
                serves[donor.Id] = serves.GetValueOrDefault(donor.Id) + 1;
                newcomer.Copy = new CopyState(_term, Generation, donor, _committed, _agreed);
                newcomer.Hopeless = false;
                actions.Add(new CoordinatorAction.SendCopy(newcomer.Copy, newcomer.Member));
            }
            else
            {
                _newcomers.RemoveAt(i);
                var failures = string.Join("; ", newcomer.Failed.Select(f => $"from {f.Donor}: {f.Reason}"));
                Refuse(newcomer.Member, $"The replica could not copy the run's state ({failures}).", actions);
            }
        }

        return !_newcomers.Exists(n => !n.Waits) && TakeIn(actions);
    }

    /// <summary>The member that serves the fewest copies; of those the last by name, who has the fewest lanes of an even division.</summary>
    private Member? ChooseDonor(Newcomer newcomer, Dictionary<string, int> serves)
    {
        Member? best = null;
        var bestServes = int.MaxValue;
        foreach (var member in _members)
        {
            if (newcomer.Failed.Exists(f => f.Donor == member.Id))
                continue;
            var served = serves.GetValueOrDefault(member.Id);
            if (served < bestServes || (served == bestServes && string.CompareOrdinal(member.Id, best!.Id) > 0))
                (best, bestServes) = (member, served);
        }

        return best;
    }

    private void Admit(Newcomer newcomer)
    {
        _newcomers.Remove(newcomer);
        _members.Add(newcomer.Member);
        _changed = true;
        JoinedReplicas++;
    }

    /// <summary>Asks everyone who may hold the committed state, where no member is left or none is known yet.</summary>
    private void AskForSurvivors(List<CoordinatorAction> actions)
    {
        for (var i = _newcomers.Count - 1; i >= 0; i--)
        {
            if (_newcomers[i].Hopeless)
                continue;
            _apart[_newcomers[i].Member.Id] = _newcomers[i].Member;
            _newcomers.RemoveAt(i);
        }

        if (_apart.Count > 0)
        {
            Ask(_apart.Values, actions);
        }
        else
        {
            Stop(_newcomers.Count == 0
                ? "Every replica is lost; resume from the last checkpoint."
                : $"No replica that lives holds the state of step {_committed.Steps}; resume from the last checkpoint.", actions);
        }
    }

    private void Ask(IReadOnlyCollection<Member> whom, List<CoordinatorAction> actions)
    {
        Generation++;
        (_phase, _changed, _untold) = (Phase.Asking, true, false);
        _asked.Clear();
        _reports.Clear();
        _held.Clear();
        foreach (var member in whom)
            _asked[member.Id] = member;
        _query = new Query(_term, Generation, _committed);
        actions.Add(new CoordinatorAction.SendQuery(_query, [.. whom]));
    }

    /// <summary>
    /// Everyone who was asked has answered or is lost. Who has the committed state takes part; who has another one is a newcomer. If
    /// somebody is ahead of the store, the store has lost writes: it is brought to where they are, provided that they agree [11].
    /// </summary>
    private void Assess(List<CoordinatorAction> actions)
    {
        _phase = Phase.Boundary;
        var top = _committed.Steps;
        foreach (var report in _reports.Values)
            top = Math.Max(top, report.Applied);
        Report? first = null;
        foreach (var report in _reports.Values)
        {
            if (report.Applied != top)
                continue;
            first ??= report;
            if (report.StateHash != first.StateHash)
            {
                Stop($"After {top} steps replica {first.Member.Id} has the state {first.StateHash} and replica {report.Member.Id} has "
                    + $"{report.StateHash}: equal inputs gave unequal bits.", actions);
                return;
            }

            if (top == _committed.Steps && report.Last is { } last && last.GradientHash != _committed.GradientHash)
            {
                Stop($"Step {top - 1} was committed with gradient {_committed.GradientHash}; replica {report.Member.Id} has applied "
                    + $"{last.GradientHash}.", actions);
                return;
            }
        }

        if (top > _committed.Steps)
        {
            if (first!.Last is not { } ahead || ahead.Steps != top)
            {
                Stop($"The store has {_committed.Steps} steps committed; replica {first.Member.Id} has applied {top} and cannot say how.", actions);
                return;
            }

            _committed = ahead;
            _announced = false;
            actions.Add(new CoordinatorAction.Committed(ahead));
            // Once that is stored they are asked again: who holds the gradient of the last step catches up.
            SetEveryoneApart();
            Advance(actions);
            return;
        }

        if (LostMoments(top) is { } lost)
        {
            foreach (var id in _reports.Keys)
                _apart.Remove(id);
            if (_apart.Count > 0 || _newcomers.Exists(n => !n.Hopeless))
            {
                // Whoever may still hold them is asked too, and waited for until it answers or is known to be dead.
                SetEveryoneApart();
                Advance(actions);
            }
            else
            {
                _momentsLost = true;
                Stop(lost, actions);
            }

            return;
        }

        foreach (var (id, report) in _reports)
        {
            _apart.Remove(id);
            if (PlaceOf(id) >= 0)
                _members.Remove(id);
            _newcomers.RemoveAll(n => n.Member.Id == id);
            if (report.Applied == top)
            {
                _members.Add(report.Member);
                _held[id] = report.Held;
            }
            else
            {
                _newcomers.Add(new Newcomer(report.Member) { Steps = report.Applied, StateHash = report.StateHash, Hopeless = true });
            }
        }

        _reports.Clear();
        _agreed = first?.StateHash;
        Advance(actions);
    }

    /// <summary>Why the members cannot go on from their parameters: some slice's owner and buddy are both gone [16]; null where they can.</summary>
    private string? LostMoments(long top)
    {
        bool[]? held = null;
        foreach (var report in _reports.Values)
        {
            if (report.Applied != top || report.Moments is not { } moments)
                continue;
            held ??= new bool[moments.Slices];
            foreach (var (first, count) in moments.Ranges)
                held.AsSpan(first, count).Fill(true);
        }

        return held is null || !held.AsSpan().Contains(false) ? null
            : FormattableString.Invariant($"After {top} steps nobody who lives holds the moments of {held.Count(h => !h)} of {held.Length} slices: their owners and buddies are lost.");
    }

    private void SetEveryoneApart()
    {
        foreach (var member in _members)
            _apart[member.Id] = member;
        foreach (var newcomer in _newcomers)
            _apart[newcomer.Member.Id] = newcomer.Member;
        foreach (var (id, report) in _reports)
            _apart[id] = report.Member;
        _members.Clear();
        _newcomers.Clear();
        _asked.Clear();
        _reports.Clear();
        _agreed = null;
    }

    /// <summary>Puts the members in lane order and divides the lanes: as they are held after a takeover within a step [14], else evenly or by speed.</summary>
    private void Arrange()
    {
        _members.Sort(ByHeldLanes);
        var held = new LaneRange[_members.Count];
        var (end, kept) = (0, 0);
        for (var i = 0; i < held.Length; i++)
        {
            held[i] = _held.GetValueOrDefault(_members[i].Id);
            if (held[i].IsEmpty || held[i].Start < end || held[i].End > _lanes)
                continue;
            kept += held[i].Count;
            end = held[i].End;
        }

        _held.Clear();
        _assignment = kept == 0 && _balance is not null ? _balance.Divide(_lanes, Members) : LaneAssignment.Keeping(_lanes, held);
        _isSettled = kept == 0;
        if (kept > 0)
            LostLanes += _lanes - kept;
    }

    private int ByHeldLanes(Member a, Member b)
    {
        var order = StartOf(a).CompareTo(StartOf(b));
        return order != 0 ? order : ByName(a, b);

        int StartOf(Member member) => _held.TryGetValue(member.Id, out var lanes) && !lanes.IsEmpty ? lanes.Start : int.MaxValue;
    }

    private static int ByName(Member a, Member b) => string.CompareOrdinal(a.Id, b.Id);

    private void TellEvicted(string id, List<CoordinatorAction> actions) =>
        actions.Add(new CoordinatorAction.SendEvicted(new Evicted(_term, Generation, _committed), id));

    private int PlaceOf(string id) => _members.PlaceOf(id);

    /// <summary>A replica that the coordinator has to do with: a member, one that is asked for its state, one that is apart or joining; null if it is none.</summary>
    public Member? Find(string id)
    {
        var place = PlaceOf(id);
        if (place >= 0)
            return _members[place];
        if (_asked.TryGetValue(id, out var asked))
            return asked;
        if (_apart.TryGetValue(id, out var apart))
            return apart;
        if (_reports.TryGetValue(id, out var report))
            return report.Member;
        return _newcomers.Find(n => n.Member.Id == id)?.Member;
    }

    /// <summary>Everyone who may hold the committed state, now or once the copies under way are done: what the record names.</summary>
    private IReadOnlyList<Member> Known()
    {
        var starts = _gathering && _phase is Phase.Gathering or Phase.TakingTerm; // starters offer themselves again
        if (!starts && _newcomers.Count == 0 && _apart.Count == 0)
            return Members;
        var known = starts ? [] : new List<Member>(_members);
        foreach (var newcomer in _newcomers)
            known.Add(newcomer.Member);
        if (_apart.Count == 0)
            return known;
        var names = known.Select(m => m.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var (id, member) in _apart)
        {
            if (!names.Contains(id))
                known.Add(member);
        }

        return known;
    }

    private sealed class Newcomer(Member member)
    {
        public Member Member { get; } = member;

        public long Steps { get; set; }

        public string StateHash { get; set; } = "";

        /// <summary>For the next boundary.</summary>
        public bool Waits { get; set; }

        /// <summary>What it was told to copy.</summary>
        public CopyState? Copy { get; set; }

        public List<(string Donor, string Reason)> Failed { get; } = [];

        /// <summary>It was asked, and does not hold the committed state.</summary>
        public bool Hopeless { get; set; }
    }
}
