using Cluster.Contracts.Training;
using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Cluster.Silo.Hosting;

/// <summary>Places a grain on the silo that its key names, or fails: a replica is where its engine and its memory are.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SiloNamePlacementAttribute() : PlacementAttribute(new SiloNamePlacement());

/// <inheritdoc cref="SiloNamePlacementAttribute"/>
[GenerateSerializer, Immutable]
public sealed class SiloNamePlacement : PlacementStrategy;

/// <summary>Reads the silo's name out of a <see cref="ReplicaKey"/> and looks it up in the membership.</summary>
internal sealed class SiloNamePlacementDirector(IClusterMembershipService membership) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var key = ReplicaKey.Parse(target.GrainIdentity.Key.ToString()!);
        var silos = context.GetCompatibleSilos(target);
        foreach (var member in membership.CurrentSnapshot.Members.Values)
        {
            if (member.Name == key.Silo && silos.Contains(member.SiloAddress))
                return Task.FromResult(member.SiloAddress);
        }

        throw new OrleansException($"No active silo is called \"{key.Silo}\"; replica {key} cannot be placed.");
    }
}
