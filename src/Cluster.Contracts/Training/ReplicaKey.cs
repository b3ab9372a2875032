namespace Cluster.Contracts.Training;

/// <summary>The key of a replica grain says where it runs: run|silo|slot. Names hold no '|'.</summary>
/// <param name="Run">The run.</param>
/// <param name="Silo">Name of the silo.</param>
/// <param name="Slot">Which of the silo's replicas of that run.</param>
public readonly record struct ReplicaKey(string Run, string Silo, int Slot)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Run}|{Silo}|{Slot}";

    /// <exception cref="FormatException">The text is no such key.</exception>
    public static ReplicaKey Parse(string key)
    {
        var parts = key.Split('|');
        return parts.Length == 3 && int.TryParse(parts[2], out var slot) ? new ReplicaKey(parts[0], parts[1], slot) : throw new FormatException($"\"{key}\" is no replica key");
    }
}
