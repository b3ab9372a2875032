namespace Cluster.Silo.Inference;

/// <summary>Which worker prompts with the same beginning went to last. Remembers so many beginnings and forgets the oldest. One thread at a time.</summary>
/// <param name="most">Beginnings that are remembered, at least 1.</param>
internal sealed class PrefixAffinity(int most)
{
    private readonly Dictionary<ulong, LinkedListNode<(ulong Prefix, string Worker)>> _nodes = [];
    private readonly LinkedList<(ulong Prefix, string Worker)> _newestFirst = [];

    /// <summary>The worker of the longest known beginning; null if none is known.</summary>
    /// <param name="prefixes">Names of beginnings, the shortest first.</param>
    public string? Find(IReadOnlyList<ulong> prefixes)
    {
        for (var i = prefixes.Count - 1; i >= 0; i--)
        {
            if (_nodes.TryGetValue(prefixes[i], out var node))
                return node.Value.Worker;
        }

        return null;
    }

    /// <summary>A prompt with these beginnings went to a worker.</summary>
    public void Remember(IReadOnlyList<ulong> prefixes, string worker)
    {
        foreach (var prefix in prefixes)
        {
            if (_nodes.Remove(prefix, out var known))
                _newestFirst.Remove(known);
            _nodes.Add(prefix, _newestFirst.AddFirst((prefix, worker)));
        }

        while (_nodes.Count > most)
        {
            _nodes.Remove(_newestFirst.Last!.Value.Prefix);
            _newestFirst.RemoveLast();
        }
    }
}
