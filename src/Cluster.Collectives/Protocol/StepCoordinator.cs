using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>
/// Decides when a step is done: READY from every member with one hash → one durable COMMIT → apply. A pure state machine: it does
/// no I/O, reads no clock and starts nothing; every call returns what is to be done. Numbers in brackets are rules of determinism.md.
/// </summary>
public sealed class StepCoordinator
{
    private readonly long _term;
    private readonly int _lanes;
    private readonly List<Member> _members = [];
    private readonly Dictionary<string, Ready> _ready = new(StringComparer.Ordinal);
    private readonly HashSet<string> _refused = new(StringComparer.Ordinal);
    private LaneAssignment? _assignment;
    private CommitRecord _committed;
    private CommitRecord? _storing;
    private IReadOnlyList<Member> _storingFor = [];
    private Join? _first;
    private int _expected;
    private bool _underWay, _stopped;

    /// <param name="term">This activation's term, higher than every earlier one [11].</param>
    /// <param name="lanes">Lanes of the recipe.</param>
    /// <param name="members">How many replicas the first generation waits for.</param>
    /// <param name="committed">The last stored outcome; steps 0 for a new run.</param>
    /// <param name="lastStep">The coordinator rests when this many steps are committed.</param>
    public StepCoordinator(long term, int lanes, int members, CommitRecord committed, long lastStep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(members, 1);
        (_term, _lanes, _expected, _committed, LastStep) = (term, lanes, members, committed, lastStep);
    }

    /// <summary>The membership's generation; 0 before the first.</summary>
    public long Generation { get; private set; }

    /// <summary>Who takes part, in lane order.</summary>
    public IReadOnlyList<Member> Members => _members;

    /// <summary>The last stored outcome.</summary>
    public CommitRecord Committed => _committed;

    /// <summary>The coordinator rests when this many steps are committed.</summary>
    public long LastStep { get; private set; }

    /// <summary>Lanes whose gradients were lost with their replica and had to be computed again.</summary>
    public long LostLanes { get; private set; }

    /// <summary>A replica offers itself with the steps it has applied and the hashes of its state and arithmetic [9, 15].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Join join)
    {
        var id = join.Member.Id;
        if (_members.Any(m => m.Id == id))
            return [];
        if (Generation > 0 || _stopped)
            return Refuse(id, "The run has begun; replicas join before its first step.");
        if (join.Steps != _committed.Steps)
            return RefuseStarter(id, $"The replica has applied {join.Steps} steps, the run has committed {_committed.Steps}.");
        _first ??= join;
        if (join.StateHash != _first.StateHash)
            return RefuseStarter(id, $"The replica's state hash is {join.StateHash}, the others' is {_first.StateHash}.");
        if (join.Fingerprint != _first.Fingerprint)
        {
            return RefuseStarter(id,
                $"The replica's arithmetic differs: its fingerprint is {join.Fingerprint}, that of {_first.Member.Id} is {_first.Fingerprint}. Use equal processors and library builds.");
        }

        _members.Add(join.Member);
        return StartWhenComplete();
    }

    /// <summary>Goes on to a later step after resting at <see cref="LastStep"/>.</summary>
    public IReadOnlyList<CoordinatorAction> Continue(long lastStep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lastStep, LastStep);
        var rested = _committed.Steps >= LastStep;
        LastStep = lastStep;
        if (!rested || _committed.Steps >= lastStep || _stopped || Generation == 0)
            return [];
        _assignment = LaneAssignment.Even(_lanes, _members.Count);
        return [new CoordinatorAction.SendBegin(Begin())];
    }

    /// <summary>
    /// A replica is gone [13]. The survivors keep their lanes and take over the lost ones in a new generation [14]; a step whose
    /// COMMIT is being stored is not touched, for a COMMIT is never undone [10].
    /// </summary>
    public IReadOnlyList<CoordinatorAction> Lose(string member, string reason)
    {
        var place = _members.FindIndex(m => m.Id == member);
        if (place < 0 || _stopped)
            return [];
        _members.RemoveAt(place);
        _refused.Add(member);
        var gone = new CoordinatorAction.Refuse(member, $"The replica was taken for dead: {reason}");
        if (Generation == 0)
        {
            _expected--;
            return [gone, .. StartWhenComplete()];
        }

        if (_members.Count == 0)
        {
            _stopped = true;
            return [gone, new CoordinatorAction.Stop("Every replica is lost; resume from the last checkpoint.")];
        }

        Generation++;
        // While an outcome is being stored nothing is under way: the next step begins with the survivors once it is.
        if (_storing is not null || _committed.Steps >= LastStep)
            return [gone];
        LostLanes += _assignment![place].Count;
        _assignment = LaneAssignment.Absorb(_assignment!, place);
        _ready.Clear();
        return [gone, new CoordinatorAction.SendBegin(Begin())];
    }

    /// <summary>A replica has the reduced gradient [10]. Anything of another term, generation or step is left unanswered [11].</summary>
    public IReadOnlyList<CoordinatorAction> Receive(Ready ready)
    {
        if (_refused.Contains(ready.Member))
            return Refuse(ready.Member, "The replica was taken for dead.");
        if (_stopped || _storing is not null || ready.Term != _term || ready.Generation != Generation || ready.Step != _committed.Steps)
            return [];
        var place = _members.FindIndex(m => m.Id == ready.Member);
        if (place < 0)
            return [];
        if (ready.Losses.Count != _assignment![place].Count)
            return Stop($"Replica {ready.Member} reports {ready.Losses.Count} lanes at step {ready.Step}; {_assignment[place].Count} are its own.");
        _ready[ready.Member] = ready;
        var first = _ready[_ready.Keys.Order(StringComparer.Ordinal).First()];
        if (ready.GradientHash != first.GradientHash)
        {
            return Stop($"At step {ready.Step} replica {first.Member} has gradient {first.GradientHash} and replica {ready.Member} has {ready.GradientHash}: "
                + "equal inputs gave unequal bits.");
        }

        if (_ready.Count < _members.Count)
            return [];
        var losses = _members.SelectMany(m => _ready[m.Id].Losses).ToArray();
        _storing = new CommitRecord(_term, _committed.Steps + 1, first.GradientHash, LaneTree.Sum(losses), first.GradientNorm);
        _storingFor = [.. _members];
        _ready.Clear();
        return [new CoordinatorAction.StoreCommit(_storing)];
    }

    /// <summary>The outcome is stored: everyone who was ready applies it, and the next step begins.</summary>
    public IReadOnlyList<CoordinatorAction> CommitStored(long steps)
    {
        if (_storing is null || _storing.Steps != steps)
            return [];
        var ready = _storingFor.Where(m => _members.Contains(m)).ToArray();
        (_committed, _storing) = (_storing, null);
        _assignment = LaneAssignment.Even(_lanes, _members.Count);
        var ended = _committed.Steps >= LastStep;
        _underWay = false;
        var commit = new Commit(_committed, Generation, ended ? null : Begin());
        var send = new CoordinatorAction.SendCommit(commit, ready);
        return ended ? [send, new CoordinatorAction.Finished(_committed.Steps)] : [send];
    }

    /// <summary>The store refused the outcome: another activation is in charge, or the store is lost [11].</summary>
    public IReadOnlyList<CoordinatorAction> CommitFailed(string reason) => Stop($"The commit could not be stored: {reason}");

    /// <summary>Rests as soon as the step at hand is committed; <see cref="Continue"/> goes on from there.</summary>
    public IReadOnlyList<CoordinatorAction> Halt()
    {
        if (_committed.Steps >= LastStep || _stopped)
            return [];
        LastStep = _committed.Steps + (_underWay ? 1 : 0);
        return _underWay || Generation == 0 ? [] : [new CoordinatorAction.Finished(_committed.Steps)];
    }

    private IReadOnlyList<CoordinatorAction> StartWhenComplete()
    {
        if (_expected < 1)
            return Stop("No replica can take part.");
        if (_members.Count < _expected)
            return [];
        // The order of lanes follows names, not arrival. (It would not matter for the bits; it does for a reader of logs.)
        _members.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
        _assignment = LaneAssignment.Even(_lanes, _members.Count);
        Generation = 1;
        return _committed.Steps >= LastStep ? [new CoordinatorAction.Finished(_committed.Steps)] : [new CoordinatorAction.SendBegin(Begin())];
    }

    /// <summary>Refuses one of those that the first generation waits for: it begins without it.</summary>
    private IReadOnlyList<CoordinatorAction> RefuseStarter(string member, string reason)
    {
        _expected--;
        return [.. Refuse(member, reason), .. StartWhenComplete()];
    }

    private BeginStep Begin()
    {
        _underWay = true;
        return new BeginStep(_term, Generation, _committed.Steps, [.. _members], _assignment!);
    }

    private IReadOnlyList<CoordinatorAction> Stop(string reason)
    {
        _stopped = true;
        return [new CoordinatorAction.Stop(reason)];
    }

    private static IReadOnlyList<CoordinatorAction> Refuse(string member, string reason) => [new CoordinatorAction.Refuse(member, reason)];
}
