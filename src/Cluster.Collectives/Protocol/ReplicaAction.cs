namespace Cluster.Collectives.Protocol;

/// <summary>What a replica is to do next; the driver carries it out in order, on the thread that owns the engine.</summary>
public abstract record ReplicaAction
{
    private ReplicaAction()
    {
    }

    /// <summary>Apply the held gradient of this step; the state becomes step + 1 applied.</summary>
    public sealed record Apply(long Step) : ReplicaAction;

    /// <summary>
    /// Advance the exchange's board to (term, generation, step), keep the nodes inside the own range, compute the missing lanes,
    /// reduce, then call <see cref="ReplicaStepMachine.Reduced"/>; or <see cref="ReplicaStepMachine.Lost"/> where a peer fails. Where the
    /// optimizer is sharded it first copies the moments that it is to hold, or calls <see cref="ReplicaStepMachine.Misses"/>.
    /// </summary>
    public sealed record Work(BeginStep Begin) : ReplicaAction;

    /// <summary>
    /// Leave the step under way: end a reduction that waits, keep the nodes and the reduced gradient that are complete. The board
    /// serves nothing until the next <see cref="Work"/>.
    /// </summary>
    public sealed record Abandon : ReplicaAction;

    /// <summary>
    /// Drop nodes and gradient, overwrite the state by the donor's (read at exactly the copy's steps: the donor refuses at any other),
    /// hash it, then call <see cref="ReplicaStepMachine.Copied"/> or <see cref="ReplicaStepMachine.CopyFailed"/>.
    /// </summary>
    public sealed record Copy(CopyState From) : ReplicaAction;

    /// <summary>Offer the replica; the driver fills the state's hash in.</summary>
    public sealed record SendJoin(Join Join) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendReady(Ready Ready) : ReplicaAction;

    /// <summary>Tell the coordinator; the driver fills the state's hash and the held moments in, after whatever was to be applied before.</summary>
    public sealed record SendReport(Report Report) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendJoined(Joined Joined) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendCopyFailed(CopyFailed Failed) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendPeerLost(PeerLost Lost) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendMomentsMissing(MomentsMissing Missing) : ReplicaAction;

    /// <summary>Tell the coordinator.</summary>
    public sealed record SendPresence(Presence Presence) : ReplicaAction;

    /// <summary>The replica must not go on: free the engine and report the failure (<see cref="StepCoordinator.Lose"/>).</summary>
    public sealed record Quit(string Reason) : ReplicaAction;
}
