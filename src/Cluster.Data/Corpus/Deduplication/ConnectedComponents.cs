// Enters: edges between documents. Leaves: for each document but the first of its component, that first one. Does not know: why they are joined.

using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>Two documents of one component; edges sort by the first, then by the second.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Edge(DocumentRank From, DocumentRank To) : IComparable<Edge>
{
    public int CompareTo(Edge other)
    {
        var from = From.CompareTo(other.From);
        return from != 0 ? from : To.CompareTo(other.To);
    }
}

/// <summary>
/// Components of a graph of any size. Edges are taken in shards that fit the budget, and a union-find within each (Tarjan 1975) leaves a
/// star for every component of the shard. If there was more than one shard, the stars are joined outside of memory by alternating
/// large-star and small-star steps (Kiveris et al., "Connected components in MapReduce and beyond", 2014), each one external sort. A
/// component and its smallest rank do not depend on how it was found, so neither budget nor order shows.
/// </summary>
internal static class ConnectedComponents
{
    // Rank, parent and dictionary entry of both ends, with the slack of growing collections.
    private const int BytesPerEdge = 256;

    /// <summary>Edges from each member of a component other than its smallest to that smallest, in no particular order.</summary>
    /// <param name="edges">In any order, also repeated.</param>
    /// <param name="scratch">Folder for what doesn't fit.</param>
    /// <param name="memoryBytes">For collections and buffers.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static IEnumerable<Edge> Stars(IEnumerable<Edge> edges, string scratch, long memoryBytes, CancellationToken cancellation = default)
    {
        var capacity = (int)Math.Clamp(memoryBytes / 2 / BytesPerEdge, 16, 1 << 28);
        var shard = new UnionFind();
        RecordSorter<Edge>? both = null;
        try
        {
            var taken = 0;
            foreach (var edge in edges)
            {
                shard.Join(edge.From, edge.To);
                if (++taken < capacity)
                    continue;
                cancellation.ThrowIfCancellationRequested();
                both ??= new RecordSorter<Edge>(scratch, memoryBytes / 4);
                AddBoth(both, shard.Stars());
                (shard, taken) = (new UnionFind(), 0);
            }

            if (both is null)
            {
                foreach (var star in shard.Stars())
                    yield return star;
                yield break;
            }

            AddBoth(both, shard.Stars());
            shard = new UnionFind();
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                using var down = new RecordSorter<Edge>(scratch, memoryBytes / 4);
                var done = LargeStar(both, down);
                both.Dispose();
                if (done)
                {
                    foreach (var star in Distinct(down.Sorted()))
                        yield return star;
                    yield break;
                }

                both = new RecordSorter<Edge>(scratch, memoryBytes / 4);
                SmallStar(down, both);
            }
        }
        finally
        {
            both?.Dispose();
        }
    }

    private static void AddBoth(RecordSorter<Edge> sorter, IEnumerable<Edge> edges)
    {
        foreach (var edge in edges)
        {
            sorter.Add(edge);
            sorter.Add(new Edge(edge.To, edge.From));
        }
    }

    /// <summary>Joins each larger neighbour of a document to the smallest of its neighbours and itself. Edges lead from larger to smaller.</summary>
    /// <returns>
    /// Whether the graph was stars around their smallest members already: each document has either larger neighbours only, or one
    /// neighbour, a smaller one. That neighbour has a larger one, hence larger ones only.
    /// </returns>
    private static bool LargeStar(RecordSorter<Edge> both, RecordSorter<Edge> down)
    {
        var stars = true;
        DocumentRank center = default, smallest = default;
        var any = false;
        foreach (var edge in Distinct(both.Sorted()))
        {
            if (!any || edge.From != center)
                (any, center, smallest) = (true, edge.From, edge.To);
            else if (smallest.CompareTo(center) < 0)
                stars = false;
            if (edge.To.CompareTo(center) > 0)
                down.Add(new Edge(edge.To, smallest.CompareTo(center) < 0 ? smallest : center));
        }

        return stars;
    }

    /// <summary>Joins each smaller neighbour of a document, and itself, to the smallest of them. Edges lead both ways.</summary>
    private static void SmallStar(RecordSorter<Edge> down, RecordSorter<Edge> both)
    {
        DocumentRank center = default, smallest = default;
        var any = false;
        foreach (var edge in Distinct(down.Sorted()))
        {
            if (!any || edge.From != center)
            {
                (any, center, smallest) = (true, edge.From, edge.To);
                AddBoth(both, [edge]);
            }
            else
            {
                AddBoth(both, [new Edge(edge.To, smallest)]);
            }
        }
    }

    /// <summary>Sorted edges without repeats.</summary>
    public static IEnumerable<Edge> Distinct(IEnumerable<Edge> sorted)
    {
        Edge last = default;
        var any = false;
        foreach (var edge in sorted)
        {
            if (any && edge == last)
                continue;
            (any, last) = (true, edge);
            yield return edge;
        }
    }

    /// <summary>Union by smallest rank with path halving.</summary>
    private sealed class UnionFind
    {
        private readonly Dictionary<DocumentRank, int> _number = [];
        private readonly List<DocumentRank> _ranks = [];
        private readonly List<int> _parent = [];

        public void Join(DocumentRank a, DocumentRank b)
        {
            int left = Root(Number(a)), right = Root(Number(b));
            if (left == right)
                return;
            if (_ranks[left].CompareTo(_ranks[right]) < 0)
                _parent[right] = left;
            else
                _parent[left] = right;
        }

        public IEnumerable<Edge> Stars()
        {
            for (var i = 0; i < _ranks.Count; i++)
                if (Root(i) is var root && root != i)
                    yield return new Edge(_ranks[i], _ranks[root]);
        }

        private int Number(DocumentRank rank)
        {
            ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(_number, rank, out var known);
            if (!known)
            {
                number = _ranks.Count;
                _ranks.Add(rank);
                _parent.Add(number);
            }

            return number;
        }

        private int Root(int i)
        {
            var parent = CollectionsMarshal.AsSpan(_parent);
            while (parent[i] != i)
                i = parent[i] = parent[parent[i]];
            return i;
        }
    }
}
