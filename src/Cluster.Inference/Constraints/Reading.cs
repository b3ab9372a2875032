namespace Cluster.Inference.Constraints;

/// <summary>What a reading waits for. Blanks may come first, but in the last four.</summary>
internal enum Phase
{
    /// <summary>A value of the shape in <see cref="Reading.Node"/>.</summary>
    Value,

    /// <summary>The first value of an array, or its end.</summary>
    ArrayStart,

    /// <summary>The first property of an object, or its end.</summary>
    ObjectStart,

    /// <summary>A property, after a comma.</summary>
    NextProperty,

    /// <summary>A colon.</summary>
    Colon,

    /// <summary>A comma or the end of the array or object; nothing if the value is the document.</summary>
    AfterValue,

    /// <summary>The rest of a name.</summary>
    Name,

    /// <summary>The rest of a string.</summary>
    String,

    /// <summary>The rest of a number, or what comes after it.</summary>
    Number,

    /// <summary>The rest of a given value, or what comes after it.</summary>
    Literal,
}

/// <summary>An array or object around the place that is read. Immutable.</summary>
internal sealed class Frame : IEquatable<Frame>
{
    private readonly int _hash;

    public Frame(Production production, int count, Frame? outer)
    {
        (Production, Count, Outer, Depth) = (production, count, outer, (outer?.Depth ?? 0) + 1);
        _hash = HashCode.Combine(production, count, outer?._hash ?? 0);
    }

    public Production Production { get; }

    /// <summary>Of an array its values so far, as far as its bounds ask; of an object the index of the first property that may still come.</summary>
    public int Count { get; }

    /// <summary>What is around it; null for the document.</summary>
    public Frame? Outer { get; }

    /// <summary>Arrays and objects, this one included.</summary>
    public int Depth { get; }

    public Frame With(int count) => count == Count ? this : new Frame(Production, count, Outer);

    public bool Equals(Frame? other)
    {
        for (var mine = this; ; (mine, other) = (mine.Outer, other.Outer))
        {
            if (ReferenceEquals(mine, other))
                return true;
            if (mine is null || other is null || mine._hash != other._hash || mine.Production != other.Production || mine.Count != other.Count)
                return false;
        }
    }

    public override bool Equals(object? obj) => Equals(obj as Frame);

    public override int GetHashCode() => _hash;
}

/// <summary>One way to read the bytes so far. An immutable value; what is around it is shared with other readings.</summary>
/// <param name="Phase">What comes.</param>
/// <param name="Around">The innermost array or object; null at the document.</param>
/// <param name="Node">A <see cref="Shape"/>, <see cref="Production"/> or <see cref="ByteTrie"/>, as the phase needs.</param>
/// <param name="State">Inside strings and names a <see cref="TextState"/>, inside numbers a <see cref="NumberState"/>.</param>
/// <param name="Count">Characters of a string or digits of a number, as far as bounds ask; of a name, 1 if it may be one that is not declared.</param>
/// <param name="Blank">Blanks just read: 0 for none, 1 for a space, 2 + n for a newline and n spaces.</param>
internal readonly record struct Reading(Phase Phase, Frame? Around, object? Node = null, int State = 0, int Count = 0, int Blank = 0)
{
    /// <summary>Whether the document may end here.</summary>
    public bool IsComplete => Around is null && MayEndValue;

    /// <summary>Whether the value may end here.</summary>
    public bool MayEndValue => Phase switch
    {
        Phase.AfterValue => true,
        Phase.Number => JsonText.MayEnd((NumberState)State),
        Phase.Literal => ((ByteTrie)Node!).Value >= 0,
        _ => false,
    };
}
