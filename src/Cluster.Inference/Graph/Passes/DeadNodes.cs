namespace Cluster.Inference.Graph.Passes;

/// <summary>Leaves out nodes that the logits do not depend on.</summary>
public static class DeadNodes
{
    /// <summary>The graph without them.</summary>
    public static ModelGraph Apply(ModelGraph graph)
    {
        var live = graph.Live();
        return graph with { Nodes = [.. graph.Nodes.Where(node => live.Contains(node.Name))] };
    }
}
