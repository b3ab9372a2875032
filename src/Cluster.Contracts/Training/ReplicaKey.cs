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

    /// <summary>Whether a name can be part of a key.</summary>
    public static bool IsName(string name) => name.Length > 0 && !name.Contains('|', StringComparison.Ordinal);

    /// <summary>
    /// The name of one life of a replica, as the protocol knows it: a process that comes back under its key is somebody else, for what the
    /// first one held is gone.
    /// </summary>
    public static string MemberId(string key, uint life) => $"{key}#{life:x8}";

    /// <summary>The key in a member's name; a key alone is itself.</summary>
    public static string OfMember(string member) => member.IndexOf('#', StringComparison.Ordinal) is var end and >= 0 ? member[..end] : member;
}
