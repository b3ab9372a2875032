namespace Cluster.Collectives.Protocol;

/// <summary>What a replica is to do next.</summary>
public abstract record ReplicaAction
{
    private ReplicaAction()
    {
    }

    /// <summary>Apply the held gradient of this step; it becomes step + 1 applied.</summary>
    public sealed record Apply(long Step) : ReplicaAction;

    /// <summary>Leave whatever is under way, then compute the missing lanes and reduce.</summary>
    public sealed record Work(BeginStep Begin) : ReplicaAction;

    /// <summary>The replica lacks a step that the others have: it must copy a peer's state.</summary>
    public sealed record Behind(long Applied, long Needed) : ReplicaAction;
}

/// <summary>
/// A replica's side of the protocol: which (term, generation, step) it is in and what it has applied. Pure, like the coordinator;
/// whoever drives it owns threads, buffers and sockets. Numbers in brackets are rules of determinism.md.
/// </summary>
public sealed class ReplicaStepMachine
{
    private (long Term, long Generation) _fence;
    private long? _readyStep;
    private string _readyHash = "";

    /// <param name="applied">Steps that the replica's state has applied.</param>
    public ReplicaStepMachine(long applied) => Applied = applied;

    /// <summary>Steps applied.</summary>
    public long Applied { get; private set; }

    /// <summary>The step under way, or null.</summary>
    public BeginStep? Current { get; private set; }

    /// <summary>Handles a BEGIN, alone or as part of a COMMIT.</summary>
    public IReadOnlyList<ReplicaAction> Receive(BeginStep begin)
    {
        if ((begin.Term, begin.Generation).CompareTo(_fence) < 0)
            return []; // a coordinator or membership of the past [11]
        if (Current is { } current && (current.Term, current.Generation, current.Step).CompareTo((begin.Term, begin.Generation, begin.Step)) >= 0)
            return []; // said twice, or overtaken
        if (begin.Step < Applied)
            return [];
        _fence = (begin.Term, begin.Generation);
        if (begin.Step == Applied)
        {
            Current = begin;
            return [new ReplicaAction.Work(begin)];
        }

        if (begin.Step == Applied + 1 && _readyStep == Applied)
        {
            // The COMMIT was lost on the way; that the next step begins proves it. Its gradient is still held [10].
            var apply = TakeApplied();
            Current = begin;
            return [apply, new ReplicaAction.Work(begin)];
        }

        return [new ReplicaAction.Behind(Applied, begin.Step)];
    }

    /// <summary>The reduced gradient of a begun step is complete; false when the step was left meanwhile.</summary>
    public bool Reduced(BeginStep begin, string gradientHash)
    {
        if (!ReferenceEquals(begin, Current))
            return false;
        (_readyStep, _readyHash) = (begin.Step, gradientHash);
        return true;
    }

    /// <summary>Handles a COMMIT: applied exactly once, and only with the gradient that was committed.</summary>
    /// <exception cref="InvalidOperationException">The held gradient is another one: the promise is broken and the replica must stop.</exception>
    public IReadOnlyList<ReplicaAction> Receive(Commit commit)
    {
        var step = commit.Record.Steps - 1;
        var actions = new List<ReplicaAction>();
        if (step == Applied && _readyStep == step)
        {
            if (_readyHash != commit.Record.GradientHash)
                throw new InvalidOperationException($"Step {step} was committed with gradient {commit.Record.GradientHash}; this replica holds {_readyHash}.");
            actions.Add(TakeApplied());
        }

        if (commit.Next is { } next)
            actions.AddRange(Receive(next));
        return actions;
    }

    private ReplicaAction.Apply TakeApplied()
    {
        var apply = new ReplicaAction.Apply(Applied);
        Applied++;
        _readyStep = null;
        return apply;
    }
}
