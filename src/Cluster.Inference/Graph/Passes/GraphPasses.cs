using Cluster.Core.Errors;

namespace Cluster.Inference.Graph.Passes;

/// <summary>All passes, and how a graph goes through them.</summary>
public static class GraphPasses
{
    /// <summary>In the order in which they are applied: constants first, while each is a node of its own; what nobody reads any more last.</summary>
    public static IReadOnlyList<GraphPass> All { get; } =
    [
        new("fold-constants", "gains, biases and scales go into the weights behind them, positions into tables", FoldConstants.Apply),
        new("fuse-qkv", "query, key and value in one product", FuseQkv.Apply),
        new("fuse-product", "product, bias and activation in one pass; gate and up in one product", FuseProduct.Apply),
        new("fuse-residual-norm", "residual sum and norm in one pass", FuseResidualNorm.Apply),
        new("fuse-attention", "rotation, cache, scores, softmax and weighted sum in one pass, head by head", FuseAttention.Apply),
        new("remove-dead", "nodes that nobody reads are left out", DeadNodes.Apply),
    ];

    /// <summary>The graph after all passes but some.</summary>
    /// <param name="graph">In naive form.</param>
    /// <param name="without">Names of passes to leave out.</param>
    /// <exception cref="UserErrorException">A name is no pass's.</exception>
    public static ModelGraph Optimise(ModelGraph graph, IReadOnlyCollection<string> without)
    {
        Check(without);
        return All.Where(pass => !without.Contains(pass.Name)).Aggregate(graph, (current, pass) => pass.Apply(current));
    }

    /// <summary>Refuses names that no pass has.</summary>
    /// <exception cref="UserErrorException">It names them and those there are.</exception>
    public static void Check(IReadOnlyCollection<string> names)
    {
        foreach (var name in names)
        {
            if (!All.Any(pass => pass.Name == name))
                throw new UserErrorException($"--without names \"{name}\", which is no pass.", $"Give some of {string.Join(", ", All.Select(pass => pass.Name))}.");
        }
    }
}
