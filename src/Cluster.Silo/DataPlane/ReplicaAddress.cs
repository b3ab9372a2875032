namespace Cluster.Silo.DataPlane;

/// <summary>Where a replica is reached: its gradients and its state are served apart.</summary>
/// <param name="Gradients">IP:port.</param>
/// <param name="State">IP:port.</param>
public readonly record struct ReplicaAddress(string Gradients, string State)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Gradients}+{State}";

    /// <exception cref="FormatException">The text is no such address.</exception>
    public static ReplicaAddress Parse(string address) => address.Split('+') is [var gradients, var state]
        ? new ReplicaAddress(gradients, state)
        : throw new FormatException($"\"{address}\" is no address of a replica.");
}
