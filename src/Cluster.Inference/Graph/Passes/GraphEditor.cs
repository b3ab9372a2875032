namespace Cluster.Inference.Graph.Passes;

/// <summary>
/// A graph under change. A pass changes nodes, adds others and leads readers to them; what nobody reads any more stays until
/// <see cref="DeadNodes"/> removes it. Dead nodes count as readers of nothing.
/// </summary>
internal sealed class GraphEditor
{
    private readonly ModelGraph _graph;
    private readonly List<GraphNode> _nodes;
    private string _output;
    private IReadOnlySet<string>? _live;

    public GraphEditor(ModelGraph graph) => (_graph, _nodes, _output) = (graph, [.. graph.Nodes], graph.Output);

    /// <summary>The value that is the logits.</summary>
    public string Output => _output;

    /// <summary>The nodes that the output depends on, as they are now, in order.</summary>
    public IReadOnlyList<GraphNode> Live() => [.. _nodes.Where(node => LiveNames().Contains(node.Name))];

    /// <summary>The node that computes a value; null for an input.</summary>
    public GraphNode? Of(string value) => _nodes.Find(node => node.Outputs.Contains(value));

    /// <summary>The live nodes that read a value.</summary>
    public IReadOnlyList<GraphNode> Readers(string value) => [.. Live().Where(node => node.Inputs.Contains(value))];

    /// <summary>The only live reader of a value; null where there are none or several, or where the value is the output.</summary>
    public GraphNode? OnlyReader(string value) => value != _output && Readers(value) is [var only] ? only : null;

    /// <summary>The node that computes a value if it has that operation.</summary>
    public GraphNode? Of(string value, GraphOp op) => Of(value) is { } node && node.Op == op ? node : null;

    /// <summary>A changed node takes the place of the one with its name.</summary>
    public GraphNode Change(GraphNode node)
    {
        _nodes[_nodes.FindIndex(other => other.Name == node.Name)] = node;
        _live = null;
        return node;
    }

    /// <summary>A new node at the place behind another one.</summary>
    public GraphNode AddBehind(string name, GraphNode node)
    {
        _nodes.Insert(_nodes.FindIndex(other => other.Name == name) + 1, node);
        _live = null;
        return node;
    }

    /// <summary>Those behind the second value's node who read the first value read the second one from now on.</summary>
    public void Lead(string from, string to)
    {
        for (var i = _nodes.FindIndex(node => node.Outputs.Contains(to)) + 1; i < _nodes.Count; i++)
        {
            if (_nodes[i].Inputs.Contains(from))
                _nodes[i] = _nodes[i] with { Inputs = [.. _nodes[i].Inputs.Select(input => input == from ? to : input)] };
        }

        if (_output == from)
            _output = to;
        _live = null;
    }

    /// <summary>The graph as it is now.</summary>
    public ModelGraph Graph() => new ModelGraph(_graph.Shape, _nodes, _output).Checked();

    private IReadOnlySet<string> LiveNames() => _live ??= new ModelGraph(_graph.Shape, _nodes, _output).Live();
}
