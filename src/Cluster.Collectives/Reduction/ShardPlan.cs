namespace Cluster.Collectives.Reduction;

// In: the cut into slices, the members' hosts in lane order. Out: whose moments a member holds. It does not know moments or steps.

/// <summary>
/// Which slices' moments each member holds where the optimizer's state is sharded (ZeRO-1: Rajbhandari et al., "ZeRO: memory
/// optimizations toward training trillion parameter models", 2020): those of the slices that it owns, and as a buddy those of one other
/// member (determinism.md, rule 16). Who is whose buddy follows from the members alone, so that all of them know it; where it can be,
/// the two are on different hosts, for a host's death takes all of its members at once. Two members or one hold everything.
/// </summary>
public sealed class ShardPlan
{
    private readonly SlicePlan _slices;
    private readonly int _distance;

    /// <param name="slices">The cut of the flat vectors.</param>
    /// <param name="hosts">The host, or whatever dies as one, of each member in lane order; at least one.</param>
    public ShardPlan(SlicePlan slices, IReadOnlyList<string> hosts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hosts.Count, 1, nameof(hosts));
        (_slices, Members, _distance) = (slices, hosts.Count, Distance(hosts));
    }

    /// <summary>How many share the state.</summary>
    public int Members { get; }

    /// <summary>Whether every member holds everything: nobody then needs another's parameters.</summary>
    public bool IsWhole => Members <= 2;

    /// <summary>The member whose slices this one holds besides its own.</summary>
    public int BuddyOf(int member) => (member + _distance) % Members;

    /// <summary>Whether a member holds a slice's moments.</summary>
    public bool Holds(int member, int slice) => IsWhole || _slices.Owner(slice, Members) is var owner && (owner == member || owner == BuddyOf(member));

    /// <summary>Floats of one moment that a member holds.</summary>
    public long FloatsOf(int member)
    {
        if (IsWhole)
            return _slices.Length;
        return Floats(member) + Floats(BuddyOf(member));

        long Floats(int owner)
        {
            var (first, count) = _slices.OwnedBy(owner, Members);
            return count == 0 ? 0 : Math.Min(_slices.Length, (long)(first + count) * _slices.SliceLength) - (long)first * _slices.SliceLength;
        }
    }

    /// <summary>The smallest number of places to go on to a buddy with which the fewest share a host with theirs.</summary>
    private static int Distance(IReadOnlyList<string> hosts)
    {
        var (best, fewest) = (1, int.MaxValue);
        for (var distance = 1; distance < hosts.Count && fewest > 0; distance++)
        {
            var together = 0;
            for (var member = 0; member < hosts.Count; member++)
                together += hosts[member] == hosts[(member + distance) % hosts.Count] ? 1 : 0;
            if (together < fewest)
                (best, fewest) = (distance, together);
        }

        return best;
    }
}
