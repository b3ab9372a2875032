namespace Cluster.Collectives.Protocol;

/// <summary>What is stored durably before anyone applies a step: the step's one and only outcome.</summary>
/// <param name="Term">The term that committed it.</param>
/// <param name="Steps">Steps committed, this one included.</param>
/// <param name="GradientHash">The gradient that everyone had; "" for the state that the job began with.</param>
/// <param name="Loss">Sum of token losses over all lanes, along the tree, in nats.</param>
/// <param name="GradientNorm">Of the gradient before clipping.</param>
public sealed record CommitRecord(long Term, long Steps, string GradientHash, double Loss, double GradientNorm = 0);

/// <summary>
/// Everything that must survive the coordinator's silo, written as one value and only conditionally: on the version that was read
/// or written last [11]. (Term, revision) names a write, so that after a write with an unknown outcome a read tells whether it
/// happened. The lanes of the step at hand are not in it: the replicas that hold them tell the next activation.
/// </summary>
/// <param name="Identity">Whose record it is.</param>
/// <param name="Term">Of the activation that wrote it.</param>
/// <param name="Revision">Counts the writes of all terms.</param>
/// <param name="Generation">The membership's generation at the time.</param>
/// <param name="Lanes">Lanes of the recipe.</param>
/// <param name="Expected">How many starters the first generation waits for.</param>
/// <param name="Members">Everyone who may hold the committed state, taking part or not; empty until the run has begun.</param>
/// <param name="Committed">The last step's outcome.</param>
/// <param name="LastStep">The coordinator rests when this many steps are committed.</param>
/// <param name="LostLanes">See <see cref="StepCoordinator.LostLanes"/>.</param>
/// <param name="Stopped">Why the run cannot go on, or null.</param>
/// <param name="Sharded">Whether replicas share the optimizer's state.</param>
/// <param name="MomentsLost">Whether it stopped because a part of that state is gone with all who held it.</param>
public sealed record CoordinatorRecord(
    RunIdentity Identity, long Term, long Revision, long Generation, int Lanes, int Expected, IReadOnlyList<Member> Members,
    CommitRecord Committed, long LastStep, long LostLanes, string? Stopped = null, bool Sharded = false, bool MomentsLost = false)
{
    /// <summary>Whether this is the very write that <paramref name="other"/> is.</summary>
    public bool IsSameWrite(CoordinatorRecord? other) => other is not null && (Term, Revision) == (other.Term, other.Revision);
}
