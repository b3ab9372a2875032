// Enters: the bytes of each token. Leaves: the longest token at the start of some bytes. Does not know: merges, text.

namespace Cluster.Data.Tokens;

/// <summary>A prefix tree over tokens. Every single byte is a token, so there is always a match.</summary>
internal sealed class TokenTrie
{
    // Node 0 is the root; (node, byte) leads to a node; each node has the token that ends there, or -1.
    private readonly Dictionary<long, int> _children = [];
    private readonly List<int> _token = [-1];

    public void Add(ReadOnlySpan<byte> bytes, int id)
    {
        var node = 0;
        foreach (var b in bytes)
        {
            var edge = ((long)node << 8) | b;
            if (!_children.TryGetValue(edge, out var child))
            {
                child = _token.Count;
                _token.Add(-1);
                _children.Add(edge, child);
            }

            node = child;
        }

        _token[node] = id;
    }

    public int Longest(ReadOnlySpan<byte> bytes, out int length)
    {
        var (node, id) = (0, -1);
        length = 0;
        for (var i = 0; i < bytes.Length && _children.TryGetValue(((long)node << 8) | bytes[i], out node); i++)
            if (_token[node] >= 0)
                (id, length) = (_token[node], i + 1);
        return id;
    }
}
