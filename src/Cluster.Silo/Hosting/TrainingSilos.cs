using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Cluster.Silo.Hosting;

/// <summary>The silos that train, as this one knows the membership; and the way to have one declared dead.</summary>
public sealed class TrainingSilos(IClusterMembershipService membership, ISiloMetadataCache metadata)
{
    /// <summary>Names of the active silos with the role of training, in order. One that has just joined may be missing for a moment.</summary>
    public IReadOnlyList<string> Active() => [.. membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active && Trains(m.SiloAddress)).Select(m => m.Name).Order(StringComparer.Ordinal)];

    /// <summary>Whether the membership has declared every life of a silo dead. One that it has not heard of yet is not.</summary>
    public bool IsDead(string name)
    {
        var lives = membership.CurrentSnapshot.Members.Values.Where(m => m.Name == name).ToArray();
        return lives.Length > 0 && Array.TrueForAll(lives, m => m.Status == SiloStatus.Dead);
    }

    /// <summary>Has the membership declare a silo dead: a process that hangs there ends itself when it wakes up.</summary>
    public async Task DeclareDeadAsync(string name)
    {
        foreach (var member in membership.CurrentSnapshot.Members.Values)
        {
            if (member.Name == name && member.Status != SiloStatus.Dead)
                await membership.TryKill(member.SiloAddress);
        }
    }

    private bool Trains(SiloAddress silo) =>
        metadata.GetSiloMetadata(silo).Metadata.TryGetValue(SiloRoles.Key, out var roles) && roles.Split(',').Contains(SiloRoles.Training, StringComparer.Ordinal);
}
