using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Cluster.Silo.Hosting;

/// <summary>The silos that curate and tokenize, as this one knows the membership.</summary>
public sealed class DataSilos(IClusterMembershipService membership, ISiloMetadataCache metadata)
{
    /// <summary>Names of the active silos with the role of data, in order. One that has just joined may be missing for a moment.</summary>
    public IReadOnlyList<string> Active() => [.. membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active && SiloRoles.Has(metadata, m.SiloAddress, SiloRoles.Data)).Select(m => m.Name)
        .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}
