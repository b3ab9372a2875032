// What coordinator and replicas tell each other. Every message carries the (term, generation) that it was said in, and whoever has
// heard of a later one does not obey it [11]. All may be lost, repeated or overtake each other.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>Replica → coordinator: it exists and may take part. Repeated until it is answered.</summary>
/// <param name="Member">Who.</param>
/// <param name="Steps">Steps that its state has applied; -1 where it has none (a copy was broken off).</param>
/// <param name="StateHash">Of its parameters and moments, as in <see cref="Report"/>.</param>
/// <param name="Identity">What it is built and configured for, with its fingerprint [9].</param>
/// <param name="Term">The latest term it has heard of; 0 for none.</param>
/// <param name="Generation">The latest generation of that term.</param>
public sealed record Join(Member Member, long Steps, string StateHash, RunIdentity Identity, long Term = 0, long Generation = 0);

/// <summary>Coordinator → replica: compute these lanes of this step. It is also the COMMIT of the step before.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Generation">The membership's generation; a higher one than the last means that the membership changed.</param>
/// <param name="Step">Steps committed so far, which is the index of the step to compute.</param>
/// <param name="Members">Everyone, in lane order; the same object as in the step before where nobody came or left.</param>
/// <param name="Assignment">A range of lanes per member; the same object as in the step before where it is the same.</param>
/// <param name="Committed">The outcome of the step before: who has not applied it yet does so first.</param>
public sealed record BeginStep(
    long Term, long Generation, long Step, Roster Members, LaneAssignment Assignment, CommitRecord Committed);

/// <summary>Replica → coordinator: the reduced gradient of the step is here, and every step before is applied [10].</summary>
/// <param name="Member">Who.</param>
/// <param name="Term">As begun.</param>
/// <param name="Generation">As begun.</param>
/// <param name="Step">As begun.</param>
/// <param name="GradientHash">SHA-256 of the reduced gradient, lower-case hex.</param>
/// <param name="Losses">The own lanes' sums of token losses, one per lane of the own range, in nats.</param>
/// <param name="GradientNorm">Euclidean norm of the reduced gradient.</param>
/// <param name="LaneSeconds">
/// Time that a lane took to compute, without waiting for anything, as a mean over those computed in this generation; 0 for none. Who
/// computes what may follow from it, no number does.
/// </param>
/// <param name="ParametersHash">
/// Of the parameters after the step, where the members share the optimizer's state: owners, buddies and all others have the same. It is
/// compared among the READYs of a generation, and no part of the COMMIT: others may commit the step in a generation without this replica.
/// </param>
public sealed record Ready(
    string Member, long Term, long Generation, long Step, string GradientHash, IReadOnlyList<double> Losses, double GradientNorm = 0,
    double LaneSeconds = 0, string ParametersHash = "");

/// <summary>Coordinator → replica: apply the gradient you are ready with. Sent where no BEGIN follows at once.</summary>
/// <param name="Term">The coordinator's term; the record may be an earlier one's.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Record">The stored outcome.</param>
public sealed record Commit(long Term, long Generation, CommitRecord Record);

/// <summary>Coordinator → replica: leave what you are at, keep what you hold, say where you are.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Committed">What the coordinator knows to be committed: who lacks just that step and holds its gradient applies it first.</param>
public sealed record Query(long Term, long Generation, CommitRecord Committed);

/// <summary>Replica → coordinator: where it is, in answer to a QUERY.</summary>
/// <param name="Member">Who.</param>
/// <param name="Term">As asked.</param>
/// <param name="Generation">As asked.</param>
/// <param name="Applied">Steps that its state has applied; -1 where it has none.</param>
/// <param name="Last">The outcome that it applied last; null where it still has the state it joined with.</param>
/// <param name="Held">Lanes of step <paramref name="Applied"/> that were its own to compute: it keeps those that it has [14].</param>
/// <param name="StateHash">Of its parameters and moments; of the parameters alone where the optimizer is sharded.</param>
/// <param name="Moments">Whose moments it holds where the optimizer is sharded [16]; null where every replica holds all.</param>
public sealed record Report(
    Member Member, long Term, long Generation, long Applied, CommitRecord? Last, LaneRange Held, string StateHash, HeldMoments? Moments = null);

/// <summary>Which slices' moments a replica holds, as its state is now.</summary>
/// <param name="Slices">How many slices there are.</param>
/// <param name="Ranges">First and number of those that are held, in order.</param>
public sealed record HeldMoments(int Slices, IReadOnlyList<(int First, int Count)> Ranges);

/// <summary>
/// Replica → coordinator: no member of this generation holds the moments of a slice that is this replica's to hold [16]. Nothing else of
/// the step can be wrong: it is for the coordinator to find out whether anybody has them.
/// </summary>
public sealed record MomentsMissing(string Member, long Term, long Generation, long Step, int Slice);

/// <summary>Coordinator → newcomer: copy a donor's state [15].</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Generation">The membership's generation.</param>
/// <param name="Donor">Whose; it rests at that step until the copy is done or given up.</param>
/// <param name="Committed">The outcome that the state has applied last; its <see cref="CommitRecord.Steps"/> are the state's.</param>
/// <param name="StateHash">Every member's, and to be the copy's.</param>
public sealed record CopyState(long Term, long Generation, Member Donor, CommitRecord Committed, string StateHash);

/// <summary>Newcomer → coordinator: it has the committed state.</summary>
public sealed record Joined(string Member, long Term, long Steps, string StateHash);

/// <summary>Newcomer → coordinator: the copy from that donor failed.</summary>
public sealed record CopyFailed(string Member, long Term, long Steps, string Donor, string Reason);

/// <summary>Replica → coordinator: a peer of this generation cannot be reached [13].</summary>
public sealed record PeerLost(string Reporter, string Lost, long Term, long Generation, string Reason);

/// <summary>
/// Replica → coordinator: it lives, and this is the latest (term, generation) that it has heard of. A reminder of one that hears
/// nothing, and the answer to a coordinator of an earlier term.
/// </summary>
public sealed record Presence(string Member, long Term, long Generation);

/// <summary>Coordinator → replica that lives: it takes no part any more and may offer itself again.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Generation">A generation without it.</param>
/// <param name="Committed">As in <see cref="Query"/>.</param>
public sealed record Evicted(long Term, long Generation, CommitRecord Committed);
