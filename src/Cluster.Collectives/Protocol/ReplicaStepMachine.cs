// A replica's side of the protocol. Enters: the coordinator's messages, what came of the work at hand, reminders. Leaves: actions.
// Does not know: threads, buffers, sockets, hashes of states (its driver fills them in), time.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>
/// Which (term, generation, step) a replica is in, what it has applied and what it holds. Pure, like the coordinator; whoever drives
/// it owns threads, buffers and sockets. Numbers in brackets are rules of determinism.md.
/// <para>
/// A reduced gradient is kept until the replica itself has applied it or begins to reduce the same step again. That is enough for
/// [10]: only who was READY takes part in a COMMIT, so each holds its own; one that lost it is no member and copies a state.
/// </para>
/// </summary>
public sealed class ReplicaStepMachine
{
    private readonly Member _member;
    private readonly RunIdentity _identity;
    private (long Term, long Generation) _fence;
    private Ready? _ready;
    private CommitRecord? _last;
    private CopyState? _copying;
    private PeerLost? _lost;
    private MomentsMissing? _missing;
    private string? _copiedHash;
    private (long Step, LaneRange Lanes) _held = (-1, default);
    private bool _offering, _quit;

    /// <param name="member">Who it is.</param>
    /// <param name="identity">With the replica's own fingerprint.</param>
    /// <param name="applied">Steps that the replica's state has applied.</param>
    public ReplicaStepMachine(Member member, RunIdentity identity, long applied) => (_member, _identity, Applied) = (member, identity, applied);

    /// <summary>Steps applied; -1 while the state is being overwritten.</summary>
    public long Applied { get; private set; }

    /// <summary>The step under way, or null.</summary>
    public BeginStep? Current { get; private set; }

    /// <summary>The latest (term, generation) heard of; nothing earlier is obeyed [11].</summary>
    public (long Term, long Generation) Fence => _fence;

    /// <summary>The state is ready: the replica offers itself. The driver calls it once.</summary>
    public IReadOnlyList<ReplicaAction> Start()
    {
        _offering = true;
        return [Offer()];
    }

    /// <summary>Handles a BEGIN.</summary>
    public IReadOnlyList<ReplicaAction> Receive(BeginStep begin)
    {
        var actions = new List<ReplicaAction>(2);
        var isNews = (begin.Term, begin.Generation).CompareTo(_fence) > 0;
        if (!Obey(begin.Term, begin.Generation, actions))
            return actions;
        if (Current is { } current && (current.Term, current.Generation) == (begin.Term, begin.Generation) && begin.Step <= current.Step)
        {
            // Said twice: the READY may have been lost.
            if (begin.Step == current.Step && _ready is not null)
                actions.Add(new ReplicaAction.SendReady(_ready));
            return actions;
        }

        // A new generation begins with a step that is applied: the store has lost its COMMIT, and this replica can tell.
        if (begin.Step < Applied)
            return isNews ? Offer(actions) : actions;
        if (!CatchUp(begin.Committed, actions))
            return actions;
        if (begin.Step != Applied)
            return Offer(actions);
        _offering = false;
        (_ready, _lost, _missing) = (null, null, null);
        _held = (begin.Step, begin.Assignment[PlaceIn(begin)]);
        Current = begin;
        actions.Add(new ReplicaAction.Work(begin));
        return actions;
    }

    /// <summary>Handles a COMMIT: applied exactly once, and only with the gradient that was committed.</summary>
    public IReadOnlyList<ReplicaAction> Receive(Commit commit)
    {
        var actions = new List<ReplicaAction>(2);
        if (!Obey(commit.Term, commit.Generation, actions) || !CatchUp(commit.Record, actions))
            return actions;
        return Applied < commit.Record.Steps && _copying is null ? Offer(actions) : actions;
    }

    /// <summary>Handles a QUERY.</summary>
    public IReadOnlyList<ReplicaAction> Receive(Query query)
    {
        var actions = new List<ReplicaAction>(3);
        if (!Obey(query.Term, query.Generation, actions))
            return actions;
        Leave(actions);
        if (!CatchUp(query.Committed, actions))
            return actions;
        _copying = null;
        _offering = false;
        var held = _held.Step == Applied ? _held.Lanes : default;
        actions.Add(new ReplicaAction.SendReport(new Report(_member, query.Term, query.Generation, Applied, _last, held, "")));
        return actions;
    }

    /// <summary>Handles a COPY [15].</summary>
    public IReadOnlyList<ReplicaAction> Receive(CopyState copy)
    {
        var actions = new List<ReplicaAction>(2);
        if (!Obey(copy.Term, copy.Generation, actions))
            return actions;
        _offering = false;
        if (Applied == copy.Committed.Steps && _copiedHash == copy.StateHash)
        {
            actions.Add(new ReplicaAction.SendJoined(new Joined(_member.Id, copy.Term, Applied, copy.StateHash)));
            return actions;
        }

        if (_copying is { } now && (now.Term, now.Donor.Id, now.Committed.Steps) == (copy.Term, copy.Donor.Id, copy.Committed.Steps))
            return actions;
        Leave(actions);
        // What is half overwritten is nobody's state.
        (Applied, _last, _ready, _copiedHash, _held, _copying) = (-1, null, null, null, (-1, default), copy);
        actions.Add(new ReplicaAction.Copy(copy));
        return actions;
    }

    /// <summary>It takes no part any more, because somebody could not reach it: it offers itself as a newcomer.</summary>
    public IReadOnlyList<ReplicaAction> Receive(Evicted evicted)
    {
        var actions = new List<ReplicaAction>(3);
        if (!Obey(evicted.Term, evicted.Generation, actions))
            return actions;
        Leave(actions);
        return CatchUp(evicted.Committed, actions) ? Offer(actions) : actions;
    }

    /// <summary>It cannot take part, ever.</summary>
    public IReadOnlyList<ReplicaAction> Refused(string reason) => Quit(reason, []);

    /// <summary>The reduced gradient of a begun step is complete; nothing follows where the step was left meanwhile.</summary>
    /// <param name="begin">The step as <see cref="ReplicaAction.Work"/> gave it.</param>
    /// <param name="gradientHash">Of the reduced gradient, which is kept as it is from now on.</param>
    /// <param name="losses">One per own lane.</param>
    /// <param name="gradientNorm">Of the reduced gradient.</param>
    /// <param name="laneSeconds">See <see cref="Ready.LaneSeconds"/>.</param>
    /// <param name="parametersHash">Of the parameters after the step, where members share the optimizer's state.</param>
    public IReadOnlyList<ReplicaAction> Reduced(
        BeginStep begin, string gradientHash, IReadOnlyList<double> losses, double gradientNorm, double laneSeconds = 0, string parametersHash = "")
    {
        if (!ReferenceEquals(begin, Current) || _ready is not null)
            return [];
        _ready = new Ready(_member.Id, begin.Term, begin.Generation, begin.Step, gradientHash, losses, gradientNorm, laneSeconds, parametersHash);
        return [new ReplicaAction.SendReady(_ready)];
    }

    /// <summary>
    /// A peer failed while a begun step was reduced. The reduction ends here: either the coordinator begins a new generation without
    /// that peer, or this replica itself turns out to be the one left behind.
    /// </summary>
    public IReadOnlyList<ReplicaAction> Lost(BeginStep begin, string peer, string reason)
    {
        if (!ReferenceEquals(begin, Current))
            return [];
        _lost = new PeerLost(_member.Id, peer, begin.Term, begin.Generation, reason);
        return [new ReplicaAction.SendPeerLost(_lost)];
    }

    /// <summary>
    /// No member holds the moments of a slice that this replica is to hold [16]. The step ends here: the coordinator asks everyone what
    /// they hold.
    /// </summary>
    public IReadOnlyList<ReplicaAction> Misses(BeginStep begin, int slice)
    {
        if (!ReferenceEquals(begin, Current))
            return [];
        _missing = new MomentsMissing(_member.Id, begin.Term, begin.Generation, begin.Step, slice);
        return [new ReplicaAction.SendMomentsMissing(_missing)];
    }

    /// <summary>A copy is complete; its hash decides whether it counts.</summary>
    public IReadOnlyList<ReplicaAction> Copied(CopyState copy, string stateHash)
    {
        if (!ReferenceEquals(copy, _copying))
            return [];
        if (stateHash != copy.StateHash)
            return CopyFailed(copy, $"The copy's hash is {stateHash}; {copy.StateHash} is expected.");
        (Applied, _last, _copiedHash, _copying) = (copy.Committed.Steps, copy.Committed, stateHash, null);
        return [new ReplicaAction.SendJoined(new Joined(_member.Id, copy.Term, Applied, stateHash))];
    }

    /// <summary>A copy broke off.</summary>
    public IReadOnlyList<ReplicaAction> CopyFailed(CopyState copy, string reason)
    {
        if (!ReferenceEquals(copy, _copying))
            return [];
        _copying = null;
        return [new ReplicaAction.SendCopyFailed(new CopyFailed(_member.Id, copy.Term, copy.Committed.Steps, copy.Donor.Id, reason))];
    }

    /// <summary>
    /// The driver calls it where nothing has been heard for a while (a second, say): what was said last is said again, for messages
    /// get lost and the coordinator may have moved. Saying things twice does no harm.
    /// </summary>
    public IReadOnlyList<ReplicaAction> Remind()
    {
        if (_quit)
            return [];
        if (_offering)
            return [Offer()];
        if (Current is null)
            return [SayPresence()];
        if (_ready is not null)
            return [new ReplicaAction.SendReady(_ready)];
        if (_missing is not null)
            return [new ReplicaAction.SendMomentsMissing(_missing)];
        return _lost is not null ? [new ReplicaAction.SendPeerLost(_lost)] : [SayPresence()];
    }

    /// <summary>Whether a message of that fence counts; raises the fence, and tells a coordinator of an earlier term that it is one.</summary>
    private bool Obey(long term, long generation, List<ReplicaAction> actions)
    {
        if (_quit)
            return false;
        if (term < _fence.Term)
            actions.Add(SayPresence());
        if ((term, generation).CompareTo(_fence) < 0)
            return false;
        _fence = (term, generation);
        return true;
    }

    /// <summary>Applies a committed step that this replica is ready with and has not applied; false where it holds other bits.</summary>
    private bool CatchUp(CommitRecord committed, List<ReplicaAction> actions)
    {
        if (committed.Steps != Applied + 1 || _ready is null || _ready.Step != Applied)
            return true;
        if (_ready.GradientHash != committed.GradientHash)
        {
            Quit($"Step {Applied} was committed with gradient {committed.GradientHash}; replica {_member.Id} holds {_ready.GradientHash}.", actions);
            return false;
        }

        actions.Add(new ReplicaAction.Apply(Applied));
        Applied++;
        (_last, _ready, Current, _copiedHash) = (committed, null, null, null);
        return true;
    }

    private void Leave(List<ReplicaAction> actions)
    {
        if (Current is null)
            return;
        Current = null;
        actions.Add(new ReplicaAction.Abandon());
    }

    private List<ReplicaAction> Offer(List<ReplicaAction> actions)
    {
        Leave(actions);
        _offering = true;
        actions.Add(Offer());
        return actions;
    }

    private ReplicaAction.SendJoin Offer() => new(new Join(_member, Applied, "", _identity, _fence.Term, _fence.Generation));

    private ReplicaAction.SendPresence SayPresence() => new(new Presence(_member.Id, _fence.Term, _fence.Generation));

    private List<ReplicaAction> Quit(string reason, List<ReplicaAction> actions)
    {
        (_quit, Current) = (true, null);
        actions.Add(new ReplicaAction.Quit(reason));
        return actions;
    }

    private int PlaceIn(BeginStep begin) => begin.Members.PlaceOf(_member.Id) is var place and >= 0
        ? place
        : throw new InvalidOperationException($"Replica {_member.Id} was told to begin a step that it is no member of.");
}
