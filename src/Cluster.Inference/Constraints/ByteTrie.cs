namespace Cluster.Inference.Constraints;

/// <summary>A few byte strings, each with a number, read byte by byte. Immutable once they are added.</summary>
internal sealed class ByteTrie
{
    private readonly List<(byte Byte, ByteTrie Node)> _children = [];
    private readonly List<int> _under = [];

    /// <summary>The number of the string that ends here; −1 if none does.</summary>
    public int Value { get; private set; } = -1;

    /// <summary>Whether a string goes on from here.</summary>
    public bool GoesOn => _children.Count > 0;

    /// <summary>The numbers of all strings that end here or go on from here.</summary>
    public IReadOnlyList<int> Under => _under;

    /// <summary>Where a byte leads; null if nowhere.</summary>
    public ByteTrie? Next(byte b)
    {
        foreach (var (child, node) in _children)
        {
            if (child == b)
                return node;
        }

        return null;
    }

    /// <summary>Adds a string; of equal ones the first keeps its number.</summary>
    public void Add(ReadOnlySpan<byte> bytes, int value)
    {
        var node = this;
        node._under.Add(value);
        foreach (var b in bytes)
        {
            if (node.Next(b) is not { } next)
                node._children.Add((b, next = new ByteTrie()));
            node = next;
            node._under.Add(value);
        }

        if (node.Value < 0)
            node.Value = value;
    }
}
