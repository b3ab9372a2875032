using Cluster.Inference.Graph;
using Cluster.Inference.Managed.Steps;

namespace Cluster.Inference.Managed;

/// <summary>
/// Which rows each node must compute. A prompt's tokens must reach every cache, but behind the last one only those matter whose logits
/// are wanted: of a prompt, usually the last.
/// </summary>
internal static class RowScopes
{
    /// <summary>The scope of each node.</summary>
    public static IReadOnlyDictionary<string, RowScope> Of(ModelGraph graph)
    {
        var scopes = new Dictionary<string, RowScope>(StringComparer.Ordinal);
        var needed = new HashSet<string>(StringComparer.Ordinal); // values of which all rows are needed
        foreach (var node in graph.Nodes.Reverse())
        {
            var all = node.Outputs.Any(needed.Contains);
            scopes.Add(node.Name, all || node.Op == GraphOp.Append ? RowScope.All : node.Op == GraphOp.Attention ? RowScope.CacheOfAll : RowScope.Wanted);
            if (scopes[node.Name] == RowScope.All)
                needed.UnionWith(node.Inputs);
            else if (node.Op == GraphOp.Attention)
                needed.UnionWith(node.Inputs.Skip(1)); // all but the query
        }

        return scopes;
    }
}
