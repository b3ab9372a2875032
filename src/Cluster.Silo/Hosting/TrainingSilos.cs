using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Cluster.Silo.Hosting;

/// <summary>The silos that train, as this one knows the membership; and the way to have one declared dead.</summary>
public sealed class TrainingSilos(IClusterMembershipService membership, ISiloMetadataCache metadata)
{
    /// <summary>Names of the active silos with the role of training, in order. One that has just joined may be missing for a moment.</summary>
    public IReadOnlyList<string> Active() => [.. membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active && SiloRoles.Has(metadata, m.SiloAddress, SiloRoles.Training)).Select(m => m.Name).Order(StringComparer.Ordinal)];

    /// <summary>Whether the membership has declared a silo dead. One that it has not heard of yet is not.</summary>
    public bool IsDead(SiloAddress silo) => membership.CurrentSnapshot.GetSiloStatus(silo) == SiloStatus.Dead;

    /// <summary>Has the membership declare a silo dead: a process that hangs there ends itself when it wakes up.</summary>
    public Task DeclareDeadAsync(SiloAddress silo) => IsDead(silo) ? Task.CompletedTask : membership.TryKill(silo);
}
