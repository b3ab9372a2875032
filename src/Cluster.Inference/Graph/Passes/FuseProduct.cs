namespace Cluster.Inference.Graph.Passes;

/// <summary>
/// A product takes its bias and its activation: they are applied to outputs that are still in the first cache level. Gate and up of SwiGLU
/// become one product whose rows take turns.
/// </summary>
internal static class FuseProduct
{
    public static ModelGraph Apply(ModelGraph graph)
    {
        var editor = new GraphEditor(graph);
        foreach (var name in editor.Live().Where(node => node.Op == GraphOp.Product).Select(node => node.Name))
        {
            var product = editor.Of(name)!;
            if (editor.OnlyReader(name) is { Op: GraphOp.Bias } bias && product.Bias is null && product.Activation == ProductActivation.None)
            {
                product = editor.Change(product with { Bias = bias.Weight });
                editor.Lead(bias.Name, name);
            }

            if (editor.OnlyReader(name) is { Op: GraphOp.Gelu } gelu && product.Activation == ProductActivation.None)
            {
                editor.Change(product with { Activation = ProductActivation.Gelu });
                editor.Lead(gelu.Name, name);
            }
        }

        foreach (var product in editor.Live().Where(node => node.Op == GraphOp.Multiply))
            FuseGate(editor, product);
        return editor.Graph();
    }

    private static void FuseGate(GraphEditor editor, GraphNode gated)
    {
        if (editor.Of(gated.Inputs[0], GraphOp.Silu) is not { } silu || editor.OnlyReader(silu.Name) is null
            || editor.Of(silu.Inputs[0], GraphOp.Product) is not { } gate || editor.OnlyReader(gate.Name) is null
            || editor.Of(gated.Inputs[1], GraphOp.Product) is not { } up || editor.OnlyReader(up.Name) is null
            || gate.Inputs[0] != up.Inputs[0] || (gate.Bias is null) != (up.Bias is null)
            || gate.Activation != ProductActivation.None || up.Activation != ProductActivation.None)
            return;
        editor.Change(gated with
        {
            Op = GraphOp.Product,
            Inputs = gate.Inputs,
            Weight = new InterleavedWeight(gate.Weight!, up.Weight!),
            Bias = gate.Bias is null ? null : new InterleavedWeight(gate.Bias, up.Bias!),
            Activation = ProductActivation.Swiglu,
        });
    }
}
