namespace Cluster.Silo.DataPlane;

/// <summary>Where a replica is reached, and which life of which silo it is part of.</summary>
/// <param name="Gradients">IP:port of its gradients.</param>
/// <param name="State">IP:port of its state.</param>
/// <param name="Silo">As the membership knows it: a silo that is started again under its name is another one.</param>
public readonly record struct ReplicaAddress(string Gradients, string State, SiloAddress Silo)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Gradients}+{State}+{Silo.ToParsableString()}";

    /// <exception cref="FormatException">The text is no such address.</exception>
    public static ReplicaAddress Parse(string address) => address.Split('+') is [var gradients, var state, var silo]
        ? new ReplicaAddress(gradients, state, SiloAddress.FromParsableString(silo))
        : throw new FormatException($"\"{address}\" is no address of a replica.");
}
