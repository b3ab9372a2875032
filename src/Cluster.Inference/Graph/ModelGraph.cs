using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>
/// What a model computes for one token, as nodes in an order in which they can be computed. Two inputs need no node: <see cref="Ids"/> and
/// <see cref="Positions"/>. Immutable; a pass makes a new one.
/// </summary>
/// <param name="Shape">The model's resolved shape.</param>
/// <param name="Nodes">Every node after those whose values it reads.</param>
/// <param name="Output">The value that is the logits.</param>
public sealed record ModelGraph(ModelShape Shape, IReadOnlyList<GraphNode> Nodes, string Output)
{
    /// <summary>The value that is the token's id.</summary>
    public const string Ids = "ids";

    /// <summary>The value that is the token's place in its sequence.</summary>
    public const string Positions = "positions";

    /// <summary>Names of the nodes that the output depends on.</summary>
    public IReadOnlySet<string> Live()
    {
        var wanted = new HashSet<string>(StringComparer.Ordinal) { Output };
        var live = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in Nodes.Reverse())
        {
            if (!node.Outputs.Any(wanted.Contains))
                continue;
            live.Add(node.Name);
            wanted.UnionWith(node.Inputs);
        }

        return live;
    }

    /// <summary>Checks that names are unique and that every node reads values of earlier ones.</summary>
    /// <exception cref="InvalidOperationException">They are not; a pass is wrong.</exception>
    public ModelGraph Checked()
    {
        var known = new HashSet<string>(StringComparer.Ordinal) { Ids, Positions };
        foreach (var node in Nodes)
        {
            foreach (var input in node.Inputs)
            {
                if (!known.Contains(input))
                    throw new InvalidOperationException($"{node.Name} reads {input}, which no earlier node computes");
            }

            foreach (var output in node.Outputs)
            {
                if (!known.Add(output))
                    throw new InvalidOperationException($"{output} is computed twice");
            }
        }

        return known.Contains(Output) ? this : throw new InvalidOperationException($"nothing computes {Output}");
    }
}
