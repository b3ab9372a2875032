namespace Cluster.Inference.Graph.Passes;

/// <summary>The products that make query, key and value of one input become one product, their biases one bias, and the three slices of it.</summary>
internal static class FuseQkv
{
    public static ModelGraph Apply(ModelGraph graph)
    {
        var editor = new GraphEditor(graph);
        foreach (var append in editor.Live().Where(node => node.Op == GraphOp.Append))
        {
            if (editor.Readers(append.Name).FirstOrDefault(reader => reader.Op == GraphOp.Scores) is not { } scores)
                continue;
            (GraphNode Product, GraphNode? Bias)?[] parts = [Root(editor, scores.Inputs[0]), Root(editor, append.Inputs[0]), Root(editor, append.Inputs[1])];
            if (parts is not [{ } q, { } k, { } v] || q.Product.Inputs[0] != k.Product.Inputs[0] || k.Product.Inputs[0] != v.Product.Inputs[0]
                || (q.Bias is null) != (k.Bias is null) || (k.Bias is null) != (v.Bias is null))
                continue;

            var name = append.Name[..append.Name.LastIndexOf('.')] + ".qkv";
            var width = q.Product.Width + k.Product.Width + v.Product.Width;
            // Behind the first of the three: every reader of any of them is behind all of them.
            var last = editor.AddBehind(q.Product.Name, new GraphNode(name, GraphOp.Product, width)
            {
                Inputs = q.Product.Inputs,
                Weight = GraphWeight.Stack([q.Product.Weight!, k.Product.Weight!, v.Product.Weight!]),
            }).Name;
            if (q.Bias is not null)
            {
                last = editor.AddBehind(last, new GraphNode(name + ".bias", GraphOp.Bias, width)
                {
                    Inputs = [last],
                    Weight = GraphWeight.Stack([q.Bias.Weight!, k.Bias!.Weight!, v.Bias!.Weight!]),
                }).Name;
            }

            var (source, offset) = (last, 0);
            foreach (var (part, what) in (((GraphNode Product, GraphNode? Bias), string)[])[(q, ".query"), (k, ".key"), (v, ".value")])
            {
                last = editor.AddBehind(last, new GraphNode(name + what, GraphOp.Slice, part.Product.Width) { Inputs = [source], Offset = offset }).Name;
                editor.Lead((part.Bias ?? part.Product).Name, last);
                offset += part.Product.Width;
            }
        }

        return editor.Graph();
    }

    /// <summary>The product, and its bias, that a value comes from, perhaps through a rotation.</summary>
    private static (GraphNode Product, GraphNode? Bias)? Root(GraphEditor editor, string value)
    {
        if (editor.Of(value, GraphOp.Rotate) is { } rotation)
            value = rotation.Inputs[0];
        var bias = editor.Of(value, GraphOp.Bias);
        return editor.Of(bias is null ? value : bias.Inputs[0], GraphOp.Product) is { Bias: null, Activation: ProductActivation.None } product ? (product, bias) : null;
    }
}
