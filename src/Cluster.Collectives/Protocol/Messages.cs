using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>A replica as the others know it.</summary>
/// <param name="Id">Its name, unique for the life of the run; a process that comes back takes a new one.</param>
/// <param name="Address">Where its exchange is served.</param>
public sealed record Member(string Id, string Address);

/// <summary>Coordinator → replica: compute these lanes of this step. A higher generation means that the membership changed.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Step">Steps committed so far, which is the index of the step to compute.</param>
/// <param name="Members">Everyone, in lane order.</param>
/// <param name="Assignment">A range of lanes per member.</param>
public sealed record BeginStep(long Term, long Generation, long Step, IReadOnlyList<Member> Members, LaneAssignment Assignment);

/// <summary>Replica → coordinator: the reduced gradient of the step is here.</summary>
/// <param name="Member">Who.</param>
/// <param name="Term">As begun.</param>
/// <param name="Generation">As begun.</param>
/// <param name="Step">As begun.</param>
/// <param name="GradientHash">SHA-256 of the reduced gradient, lower-case hex.</param>
/// <param name="Losses">The own lanes' sums of token losses, one per lane of the own range, in nats.</param>
/// <param name="GradientNorm">Euclidean norm of the reduced gradient.</param>
public sealed record Ready(
    string Member, long Term, long Generation, long Step, string GradientHash, IReadOnlyList<double> Losses, double GradientNorm = 0);

/// <summary>Replica → coordinator: it exists and may take part.</summary>
/// <param name="Member">Who.</param>
/// <param name="Steps">Steps that its state has applied.</param>
/// <param name="StateHash">Of its parameters and moments.</param>
/// <param name="Fingerprint">Of a step on synthetic input at the run's shapes: unequal ones would train unequal bits [9].</param>
public sealed record Join(Member Member, long Steps, string StateHash, string Fingerprint = "");

/// <summary>What is stored durably before anyone applies a step: the step's one and only outcome.</summary>
/// <param name="Term">The term that committed it.</param>
/// <param name="Steps">Steps committed, this one included.</param>
/// <param name="GradientHash">The gradient that everyone had.</param>
/// <param name="Loss">Sum of token losses over all lanes, along the tree, in nats.</param>
/// <param name="GradientNorm">Of the gradient before clipping.</param>
public sealed record CommitRecord(long Term, long Steps, string GradientHash, double Loss, double GradientNorm = 0);

/// <summary>Coordinator → replica: apply the gradient you are ready with.</summary>
/// <param name="Record">The stored outcome.</param>
/// <param name="Generation">The generation that was ready.</param>
/// <param name="Next">The step to go on with, or null when the coordinator rests.</param>
public sealed record Commit(CommitRecord Record, long Generation, BeginStep? Next);

/// <summary>What the coordinator wants done; the caller carries it out in order.</summary>
public abstract record CoordinatorAction
{
    private CoordinatorAction()
    {
    }

    /// <summary>Tell every member to begin.</summary>
    public sealed record SendBegin(BeginStep Begin) : CoordinatorAction;

    /// <summary>Write the outcome durably and conditionally, then call <see cref="StepCoordinator.CommitStored"/>.</summary>
    public sealed record StoreCommit(CommitRecord Record) : CoordinatorAction;

    /// <summary>Tell these members to apply.</summary>
    public sealed record SendCommit(Commit Commit, IReadOnlyList<Member> Members) : CoordinatorAction;

    /// <summary>Tell a replica that it is not part of this run any more, or never was.</summary>
    public sealed record Refuse(string Member, string Reason) : CoordinatorAction;

    /// <summary>The run cannot go on: every commit so far stands.</summary>
    public sealed record Stop(string Reason) : CoordinatorAction;

    /// <summary>The last step asked for is committed.</summary>
    public sealed record Finished(long Steps) : CoordinatorAction;
}
