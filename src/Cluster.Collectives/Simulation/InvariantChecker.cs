using Cluster.Collectives.Protocol;

namespace Cluster.Collectives.Simulation;

/// <summary>An invariant does not hold.</summary>
internal sealed class InvariantBrokenException(string message) : Exception(message);

/// <summary>
/// What must hold whatever happens, checked from outside: it sees what processes do and what the store holds, and asks no machine
/// whether it is content.
/// </summary>
internal sealed class InvariantChecker(Oracle oracle)
{
    private readonly HashSet<long> _terms = [];
    private readonly HashSet<(long Term, long Revision)> _commitWrites = [];
    private readonly Dictionary<long, int> _commits = [];
    private readonly Dictionary<(long Term, long Generation, long Step, int Lane), string> _computedBy = [];
    private long _committed;

    /// <summary>The highest step whose COMMIT was ever stored.</summary>
    public long Committed => _committed;

    public long LanesComputed { get; private set; }

    public long LanesLost { get; set; }

    public static void Broken(string what) => throw new InvariantBrokenException(what);

    /// <summary>An activation speaks in a term that it has taken.</summary>
    public void TermTaken(long term)
    {
        if (!_terms.Add(term))
            Broken($"two activations speak in term {term}");
    }

    /// <summary>A record is stored in place of another.</summary>
    public void Stored(Write write, CoordinatorRecord? before, SimulatedStore store)
    {
        var record = write.Record;
        if (before is null && write.LossesSeen > 0 && _terms.Count > 0)
            Broken("an empty store was written to as if the run were new");
        if (before is { MomentsLost: true } && record.Term > before.Term)
        {
            // The one thing that undoes COMMITs [16].
            if (record.Committed.Steps != _committed)
                Broken($"the run goes on from step {record.Committed.Steps}; it was rolled back to {_committed}");
            return;
        }

        if (before is not null)
        {
            if ((record.Term, record.Revision).CompareTo((before.Term, before.Revision)) <= 0)
                Broken($"term {record.Term} revision {record.Revision} was stored after term {before.Term} revision {before.Revision}");
            if (record.Committed.Steps < before.Committed.Steps)
                Broken($"the COMMIT of step {before.Committed.Steps} was undone");
        }

        var steps = record.Committed.Steps;
        if (steps == 0 || steps == before?.Committed.Steps)
            return;
        if (record.Committed.GradientHash != oracle.Gradient(steps))
            Broken($"step {steps} was committed with another gradient than an undisturbed run's");
        var ahead = store.LostData ? Math.Max(_committed, before?.Committed.Steps ?? 0) : before?.Committed.Steps ?? 0;
        if (steps > ahead + 1)
            Broken($"step {steps} was committed after step {ahead}");
        if (_commitWrites.Add((record.Term, record.Revision)))
        {
            _commits[steps] = _commits.GetValueOrDefault(steps) + 1;
            if (_commits[steps] > 1 && !store.LostData)
                Broken($"step {steps} has two COMMITs");
        }

        _committed = Math.Max(_committed, steps);
    }

    /// <summary>A COMMIT is about to be stored for those who were begun.</summary>
    public static void Committing(CoordinatorRecord record, BeginStep begin, IReadOnlyList<SimulatedReplica> replicas)
    {
        for (var slice = 0; slice < Oracle.Slices; slice++)
        {
            var holders = 0;
            foreach (var member in begin.Members)
                holders += Find(member.Id, replicas).WasReadyWith(begin, slice) ? 1 : 0;
            if (holders < Math.Min(2, begin.Members.Count))
                Broken($"step {record.Committed.Steps} is committed though {holders} replicas have the moments of slice {slice}");
        }

        for (var i = 0; i < begin.Members.Count; i++)
        {
            var replica = Find(begin.Members[i].Id, replicas);
            if (!replica.SaidReady.Contains((begin.Term, begin.Generation, begin.Step)))
                Broken($"step {record.Committed.Steps} is committed though {replica.Name} is not ready in generation {begin.Generation}");
            var range = begin.Assignment[i];
            for (var lane = range.Start; lane < range.End; lane++)
            {
                if (!replica.HasComputed(begin.Step, lane))
                    Broken($"step {record.Committed.Steps} is committed without lane {lane}: {replica.Name} has not computed it");
            }
        }
    }

    /// <summary>A lane is computed: by one member of a generation only.</summary>
    public void Computed(SimulatedReplica replica, BeginStep begin, int lane)
    {
        LanesComputed++;
        if (!_computedBy.TryAdd((begin.Term, begin.Generation, begin.Step, lane), replica.Name))
        {
            Broken($"lane {lane} of step {begin.Step} is computed by {_computedBy[(begin.Term, begin.Generation, begin.Step, lane)]} and by "
                + $"{replica.Name} in generation {begin.Generation}");
        }
    }

    public void Applied(SimulatedReplica replica, long step)
    {
        if (replica.Applied != step)
            Broken($"{replica.Name} has applied {replica.Applied} steps and now applies step {step}");
        if (step >= _committed)
            Broken($"{replica.Name} applies step {step}, which is not committed");
    }

    /// <summary>A step is applied to a slice with these moments.</summary>
    public void MomentsAre(SimulatedReplica replica, long step, int slice, ulong moments)
    {
        if (moments != oracle.Moment(step, slice))
            Broken($"{replica.Name} applies step {step} to slice {slice} with moments of another step");
    }

    /// <summary>The run goes back: it may only where nobody who lives can have some slice's moments.</summary>
    public void RolledBack(string reason, long steps, int lanes, IReadOnlyList<SimulatedReplica> replicas, bool storeLostData)
    {
        var lost = false;
        for (var slice = 0; slice < Oracle.Slices; slice++)
        {
            var held = false;
            foreach (var replica in replicas)
                held |= replica.CanGoOn(_committed) && replica.Has(_committed, slice);
            lost |= !held;
        }

        if (!lost && !storeLostData)
            Broken($"the run was rolled back ({reason}) though everybody's moments together are those of step {_committed}");
        LanesLost += (_committed - steps) * lanes;
        for (var undone = steps + 1; undone <= _committed; undone++)
            _commits.Remove(undone);
        _committed = steps;
    }

    public void StateIs(SimulatedReplica replica)
    {
        if (replica.State != oracle.State(replica.Applied))
            Broken($"{replica.Name} has another state after {replica.Applied} steps than an undisturbed run");
    }

    /// <summary>What a coordinator made of a message of an earlier term or generation: it may only tell the sender so.</summary>
    public static void CoordinatorHeardThePast(IReadOnlyList<CoordinatorAction> actions, object message)
    {
        foreach (var action in actions)
        {
            if (action is not CoordinatorAction.SendEvicted)
                Broken($"the coordinator accepted {message} of an earlier term or generation: {action}");
        }
    }

    public static void ReplicaHeardThePast(SimulatedReplica replica, IReadOnlyList<ReplicaAction> actions, object message)
    {
        foreach (var action in actions)
        {
            if (action is not ReplicaAction.SendPresence)
                Broken($"{replica.Name} accepted {message} of an earlier term or generation: {action}");
        }
    }

    /// <summary>The run stopped; it may only where no state survives or the store has lost the run.</summary>
    public void Stopped(string reason, IReadOnlyList<SimulatedReplica> replicas, bool storeLostData)
    {
        // The state that a job begins with is not lost: whoever starts again has it.
        if (storeLostData || _committed == 0)
            return;
        foreach (var replica in replicas)
        {
            if (replica.CanGoOn(_committed))
                Broken($"the run stopped ({reason}) though {replica.Name} holds the state of step {_committed}");
        }
    }

    /// <summary>Lanes computed = steps × lanes + lost lanes (+ those held for the step at hand).</summary>
    public void LanesAddUp(int lanes, IReadOnlyList<SimulatedReplica> replicas, bool storeLostData)
    {
        if (storeLostData)
            return;
        long held = 0;
        foreach (var replica in replicas)
            held += replica.HeldUnused();
        if (LanesComputed != _committed * lanes + LanesLost + held)
            Broken($"{LanesComputed} lanes were computed; {_committed} steps of {lanes} lanes, {LanesLost} lost and {held} held were needed");
    }

    private static SimulatedReplica Find(string id, IReadOnlyList<SimulatedReplica> replicas)
    {
        foreach (var replica in replicas)
        {
            if (replica.Name == id)
                return replica;
        }

        throw new InvariantBrokenException($"{id} does not exist");
    }
}
