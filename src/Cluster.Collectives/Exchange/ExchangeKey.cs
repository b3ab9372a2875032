namespace Cluster.Collectives.Exchange;

/// <summary>
/// Which reduction a piece of data belongs to (determinism.md, rule 12). Ordered by (term, generation, step); a piece of another
/// run or of a lower key is never served nor accepted.
/// </summary>
/// <param name="Run">Hash of the run's identity.</param>
/// <param name="Term">The coordinator's term, counted from 1.</param>
/// <param name="Generation">The membership's generation within the run, counted from 1.</param>
/// <param name="Step">The training step.</param>
public readonly record struct ExchangeKey(ulong Run, long Term, long Generation, long Step) : IComparable<ExchangeKey>
{
    /// <inheritdoc/>
    public int CompareTo(ExchangeKey other) => (Term, Generation, Step).CompareTo((other.Term, other.Generation, other.Step));

    /// <summary>"term 1, generation 2, step 3".</summary>
    public override string ToString() => $"term {Term}, generation {Generation}, step {Step}";
}

/// <summary>What a peer is asked for.</summary>
public enum PartKind
{
    /// <summary>The slice of every maximal tree node of the peer's lanes, node after node.</summary>
    Nodes = 1,

    /// <summary>The slice of the reduced gradient, from its owner.</summary>
    Reduced = 2,

    /// <summary>The slice of the parameters after the step, from its owner, where the optimizer is sharded.</summary>
    Updated = 3,

    /// <summary>Hashes and squares of the slices that the peer has reduced, all in one; the slice is 0.</summary>
    Sums = 4,

    /// <summary>Hashes of the moments that the peer holds, all in one; the slice is 0.</summary>
    Holdings = 5,

    /// <summary>The slice of both moments.</summary>
    Moments = 6,
}

/// <summary>How parts travel.</summary>
internal static class PartKinds
{
    /// <summary>Whether a part is small and travels over the connection also where the peer's memory is mapped.</summary>
    public static bool AlwaysTravels(this PartKind kind) => kind is PartKind.Sums or PartKind.Holdings or PartKind.Moments;

    /// <summary>Whether a part comes from the tree's sums: it may have to wait for nodes that the same peer is still being asked for.</summary>
    public static bool FollowsNodes(this PartKind kind) => kind is PartKind.Reduced or PartKind.Updated or PartKind.Sums;
}

/// <summary>The asked-for key is lower than the one a replica is at, or of another run: the asker has been left behind.</summary>
public sealed class StaleKeyException(string message) : Exception(message);

/// <summary>A peer cannot be reached or broke the protocol; the replica reports it to the coordinator.</summary>
public sealed class PeerLostException(int member, Exception inner)
    : Exception($"Member {member} is lost: {inner.Message}", inner)
{
    /// <summary>The peer's place among the members.</summary>
    public int Member { get; } = member;
}
