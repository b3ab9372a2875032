using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Deduplication;

public sealed class ConnectedComponentsTests
{
    [Theory]
    [InlineData(3000, 2000)]
    [InlineData(3000, 4500)]
    public void Stars_RandomGraph_EqualBreadthFirstSearchForAnyBudgetAndOrder(int nodes, int count)
    {
        var random = new CounterRandom(2, RandomPurpose.Synthetic, (ulong)count);
        var edges = Enumerable.Range(0, count)
            .Select(i => ((int)random.Below((ulong)(2 * i), (ulong)nodes), (int)random.Below((ulong)(2 * i + 1), (ulong)nodes)))
            .Where(pair => pair.Item1 != pair.Item2).ToList();
        var expected = Expected(nodes, edges);

        Assert.Equal(expected, Found(edges, 1 << 26));
        Assert.Equal(expected, Found(edges, 1 << 14));
        Assert.Equal(expected, Found(Enumerable.Reverse(edges).Select(edge => (edge.Item2, edge.Item1)), 1 << 15));

        // Control: the comparison sees one edge that is missing between two components.
        Assert.NotEqual(expected, Found(edges.Append((nodes, edges[0].Item1)), 1 << 26));
    }

    [Fact]
    public void Stars_LongChainInScatteredOrder_IsOneComponent()
    {
        // The worst case of label propagation: the smallest label has 5,000 edges to go.
        var chain = Enumerable.Range(0, 5000).Select(i => (i, i + 1)).OrderBy(edge => (ulong)edge.i * 0x9E3779B97F4A7C15UL);
        Assert.Equal(Enumerable.Range(1, 5000).Select(i => (i, 0)), Found(chain, 1 << 14));
    }

    private static List<(int, int)> Found(IEnumerable<(int A, int B)> edges, long memory)
    {
        using var folder = new TempFolder();
        var stars = ConnectedComponents.Stars(edges.Select(edge => new Edge(Rank(edge.A), Rank(edge.B))), folder.Path, memory)
            .Select(star => (star.From.Key.Index, star.To.Key.Index)).Order().ToList();
        Assert.Empty(Directory.GetFiles(folder.Path));
        return stars;
    }

    private static List<(int, int)> Expected(int nodes, List<(int A, int B)> edges)
    {
        var neighbours = edges.Concat(edges.Select(edge => (A: edge.B, B: edge.A))).ToLookup(edge => edge.A, edge => edge.B);
        var component = Enumerable.Repeat(-1, nodes).ToArray();
        for (var first = 0; first < nodes; first++)
        {
            if (component[first] >= 0)
                continue;
            var queue = new Queue<int>([first]);
            component[first] = first;
            while (queue.TryDequeue(out var node))
                foreach (var next in neighbours[node])
                    if (component[next] < 0)
                    {
                        component[next] = first;
                        queue.Enqueue(next);
                    }
        }

        return [.. Enumerable.Range(0, nodes).Where(i => component[i] != i).Select(i => (i, component[i]))];
    }

    private static DocumentRank Rank(int index) => DocumentRank.Of(new DocumentKey(0, 0, index), 0, 0);
}
