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

    /// <summary>
    /// A state that accepts the same next bytes, if no more than so many are asked about. A string that is farther from its bounds is
    /// always the same one: otherwise each of its characters would lead to a state of its own.
    /// </summary>
    public JsonState SeenFrom(int bytes)
    {
        // Of several readings, two could become one, and one more could be kept than is kept here.
        if (_readings is not [{ Phase: Phase.String, Node: StringProduction bounds, Count: var count } reading] || bounds.Max - count <= bytes)
            return this;
        var far = count >= bounds.Min ? bounds.Min : bounds.Min - count > bytes ? 0 : count;
        return far == count ? this : new JsonState([reading with { Count = far }]);
    }

    public bool Equals(JsonState? other) =>
        ReferenceEquals(this, other) || (other is not null && _hash == other._hash && _readings.AsSpan().SequenceEqual(other._readings));

    public override bool Equals(object? obj) => Equals(obj as JsonState);

    public override int GetHashCode() => _hash;
}
