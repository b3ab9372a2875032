namespace Cluster.Inference.Graph.Passes;

/// <summary>
/// What is known before the first token is computed before it. The embedding's scale goes into the table; positions become rows of a
/// table; a block's norm's gain goes into the columns of the products behind it and its bias, through them, into theirs; what scores are
/// multiplied by goes into the queries' product, which rotation commutes with. Each is exact but for one rounding of each weight.
/// </summary>
internal static class FoldConstants
{
    /// <summary>Values of the largest table that is made (64 MB); longer contexts compute their positions.</summary>
    private const long LargestTable = 1 << 24;

    public static ModelGraph Apply(ModelGraph graph)
    {
        var editor = new GraphEditor(graph);
        foreach (var name in editor.Live().Select(node => node.Name))
        {
            var node = editor.Of(name)!;
            switch (node.Op)
            {
                case GraphOp.Scale when editor.Of(node.Inputs[0], GraphOp.Embedding) is { } embedding && editor.OnlyReader(embedding.Name) is not null:
                    editor.Change(embedding with { Weight = new ScaledWeight(embedding.Weight!, node.Factor) });
                    editor.Lead(node.Name, embedding.Name);
                    break;
                case GraphOp.SinusoidalPosition or GraphOp.RotaryAngles when (long)graph.Shape.MaxContext * node.Width <= LargestTable:
                    editor.Change(node with
                    {
                        Op = GraphOp.PositionRow,
                        Weight = node.Op == GraphOp.RotaryAngles ? new RotaryTable(graph.Shape.MaxContext, node.Width) : new SinusoidalTable(graph.Shape.MaxContext, node.Width),
                    });
                    break;
                case GraphOp.Gain:
                    FoldNorm(editor, node);
                    break;
                case GraphOp.Scale when editor.Of(node.Inputs[0], GraphOp.Scores) is { } scores:
                    FoldScoreScale(editor, scores, node);
                    break;
            }
        }

        return editor.Graph();
    }

    private static void FoldNorm(GraphEditor editor, GraphNode gain)
    {
        var bias = editor.OnlyReader(gain.Name) is { Op: GraphOp.Bias } only ? only : null;
        var end = bias ?? gain;
        var products = editor.Readers(end.Name);
        // What enters the head is shown as the model's hidden state, and comes from elsewhere where another program computes a prompt.
        if (products.Any(reader => reader.Name == editor.Output))
            return;
        if (products.Any(reader => reader.Op != GraphOp.Product || reader.Bias is not null || reader.Activation != ProductActivation.None))
            return;
        foreach (var product in products)
        {
            var matrix = product.Weight!;
            editor.Change(product with { Weight = new ColumnScaledWeight(matrix, gain.Weight!), Inputs = gain.Inputs });
            if (bias is null)
                continue;
            var added = new AppliedWeight(matrix, bias.Weight!);
            if (editor.OnlyReader(product.Name) is { Op: GraphOp.Bias } own)
            {
                editor.Change(own with { Weight = new SummedWeight(own.Weight!, added) });
                continue;
            }

            var name = product.Name + ".bias";
            editor.AddBehind(product.Name, new GraphNode(name, GraphOp.Bias, product.Width) { Inputs = [product.Name], Weight = added });
            editor.Lead(product.Name, name);
        }
    }

    private static void FoldScoreScale(GraphEditor editor, GraphNode scores, GraphNode scale)
    {
        if (editor.OnlyReader(scores.Name) is null)
            return;
        List<GraphNode> scaled = [];
        for (var value = scores.Inputs[0]; ; value = scaled[^1].Inputs[0])
        {
            if (editor.OnlyReader(value) is null || editor.Of(value) is not { Op: GraphOp.Product or GraphOp.Bias or GraphOp.Rotate } node)
                return;
            scaled.Add(node);
            if (node.Op == GraphOp.Product)
                break;
        }

        foreach (var node in scaled.Where(node => node.Weight is not null))
            editor.Change(node with { Weight = new ScaledWeight(node.Weight!, scale.Factor) });
        editor.Lead(scale.Name, scores.Name);
    }
}
