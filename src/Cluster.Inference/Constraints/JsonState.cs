namespace Cluster.Inference.Constraints;

/// <summary>How far a document has been read: all ways to read its bytes so far. Immutable; equal states accept the same bytes from here.</summary>
internal sealed class JsonState : IEquatable<JsonState>
{
    private readonly Reading[] _readings;
    private readonly int _hash;

    private JsonState(Reading[] readings)
    {
        _readings = readings;
        var hash = new HashCode();
        foreach (var reading in readings)
            hash.Add(reading);
        _hash = hash.ToHashCode();
        IsComplete = Array.Exists(readings, r => r.IsComplete);
    }

    /// <summary>Whether the document may end here.</summary>
    public bool IsComplete { get; }

    public ReadOnlySpan<Reading> Readings => _readings;

    /// <summary>Before the first byte.</summary>
    public static JsonState Start(JsonGrammar grammar) => new([new Reading(Phase.Value, null, grammar.Root)]);

    /// <summary>The state after some bytes; null if no document goes on with them.</summary>
    public JsonState? Take(ReadOnlySpan<byte> bytes)
    {
        var readings = new Readings();
        readings.Add(_readings);
        var start = 0;
        foreach (var b in bytes)
        {
            var end = readings.Count;
            if (!readings.Step(start, end, b))
                return null;
            start = end;
        }

        return new JsonState([.. readings[start..]]);
    }

    public bool Equals(JsonState? other) =>
        ReferenceEquals(this, other) || (other is not null && _hash == other._hash && _readings.AsSpan().SequenceEqual(other._readings));

    public override bool Equals(object? obj) => Equals(obj as JsonState);

    public override int GetHashCode() => _hash;
}
