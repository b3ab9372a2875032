namespace Cluster.Collectives.Protocol;

/// <summary>What the coordinator wants done; the driver carries it out in order. No message needs an answer to be waited for.</summary>
public abstract record CoordinatorAction
{
    private CoordinatorAction()
    {
    }

    /// <summary>
    /// Write the record on condition that the store still holds what this activation read or wrote last (or, before the first write
    /// to an empty store, nothing). Then call one of <see cref="StepCoordinator.Stored"/>, <see cref="StepCoordinator.StoreConflict"/>
    /// and <see cref="StepCoordinator.StoreUnavailable"/>. At most one write is under way.
    /// </summary>
    public sealed record Store(CoordinatorRecord Record) : CoordinatorAction;

    /// <summary>
    /// A write's outcome is unknown (or the store was empty, and should not be). Read the store, after a pause where that is not the first time, and call
    /// <see cref="StepCoordinator.StoreRead"/>, or <see cref="StepCoordinator.StoreUnavailable"/> again. The next write's condition is
    /// what was read.
    /// </summary>
    public sealed record ReadStore(string Reason) : CoordinatorAction;

    /// <summary>A step's outcome is stored: record its metrics. Once per step and activation; after a takeover steps may be left out.</summary>
    public sealed record Committed(CommitRecord Record) : CoordinatorAction;

    /// <summary>Tell these members to begin.</summary>
    public sealed record SendBegin(BeginStep Begin, IReadOnlyList<Member> To) : CoordinatorAction;

    /// <summary>Tell these members to apply.</summary>
    public sealed record SendCommit(Commit Commit, IReadOnlyList<Member> To) : CoordinatorAction;

    /// <summary>Ask these replicas where they are.</summary>
    public sealed record SendQuery(Query Query, IReadOnlyList<Member> To) : CoordinatorAction;

    /// <summary>Tell a newcomer to copy.</summary>
    public sealed record SendCopy(CopyState Copy, Member To) : CoordinatorAction;

    /// <summary>Tell a replica that it takes no part; if it lives it offers itself again.</summary>
    public sealed record SendEvicted(Evicted Evicted, string To) : CoordinatorAction;

    /// <summary>Tell a replica that it cannot take part in this run, for good, and why.</summary>
    public sealed record Refuse(Member Member, string Reason) : CoordinatorAction;

    /// <summary>
    /// Call the replica's silo by the control plane, with a limit, and call <see cref="StepCoordinator.ProbeAnswered"/> or
    /// <see cref="StepCoordinator.ProbeFailed"/> [13].
    /// </summary>
    public sealed record Probe(Member Member) : CoordinatorAction;

    /// <summary>
    /// Have the cluster's membership declare the replica's silo dead, so that it never comes back to life; then call
    /// <see cref="StepCoordinator.Lose"/>. Where the membership cannot be reached nothing is to be called.
    /// </summary>
    public sealed record DeclareDead(Member Member, string Reason) : CoordinatorAction;

    /// <summary>The replica has left by its own wish and may be stopped.</summary>
    public sealed record Released(string Member) : CoordinatorAction;

    /// <summary>The replica cannot leave, and why.</summary>
    public sealed record DrainRefused(string Member, string Reason) : CoordinatorAction;

    /// <summary>The last step asked for is committed; <see cref="StepCoordinator.Continue"/> goes on.</summary>
    public sealed record Finished(long Steps) : CoordinatorAction;

    /// <summary>
    /// The run cannot go on: every commit so far stands. Nothing more comes from this machine. Where a part of the optimizer's state is
    /// lost with all who held it, a new job from the newest checkpoint computes the same steps again, to the same bits [16].
    /// </summary>
    public sealed record Stop(string Reason, bool MomentsLost = false) : CoordinatorAction;

    /// <summary>Another activation is in charge: answer nobody, deactivate. Nothing more comes from this machine.</summary>
    public sealed record Deactivate(string Reason) : CoordinatorAction;
}
