// Enters: members. Leaves: which silo each is on, and the members of each silo together. Does not know: which silos live.
using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;
using Cluster.Silo.DataPlane;

namespace Cluster.Silo.Training;

/// <summary>Members on one silo.</summary>
/// <param name="Silo">That life of the silo.</param>
/// <param name="Name">Its name.</param>
/// <param name="Slots">The members' slots.</param>
/// <param name="Ids">The members' names, in the same order.</param>
internal sealed record SiloGroup(SiloAddress Silo, string Name, int[] Slots, IReadOnlyList<string> Ids);

/// <summary>Where members are. What a name and an address say is read once, not in every step.</summary>
internal sealed class SiloRoutes
{
    /// <summary>More than a run has members at a time: lives that are gone take no room for ever.</summary>
    private const int MostKnown = 100_000;

    private readonly Dictionary<Member, (SiloAddress Silo, ReplicaKey Key)> _known = [];
    private Roster? _roster;
    private IReadOnlyList<SiloGroup> _groups = [];

    /// <summary>The silo of a member.</summary>
    /// <exception cref="FormatException">Its name or address is none of a replica.</exception>
    public SiloAddress SiloOf(Member member) => Of(member).Silo;

    /// <summary>Members by silo, in the order in which the silos come.</summary>
    public IReadOnlyList<SiloGroup> BySilo(IReadOnlyList<Member> members)
    {
        if (members is Roster same && ReferenceEquals(same, _roster))
            return _groups;
        var groups = members.Select(member => (member.Id, Route: Of(member))).GroupBy(one => (one.Route.Silo, one.Route.Key.Silo))
            .Select(group => new SiloGroup(group.Key.Item1, group.Key.Item2, [.. group.Select(one => one.Route.Key.Slot)], [.. group.Select(one => one.Id)]))
            .ToArray();
        if (members is Roster roster)
            (_roster, _groups) = (roster, groups);
        return groups;
    }

    private (SiloAddress Silo, ReplicaKey Key) Of(Member member)
    {
        if (_known.TryGetValue(member, out var route))
            return route;
        if (_known.Count >= MostKnown)
            _known.Clear();
        return _known[member] = (ReplicaAddress.Parse(member.Address).Silo, ReplicaKey.Parse(ReplicaKey.OfMember(member.Id)));
    }
}
