namespace Cluster.Inference.Graph.Passes;

/// <summary>A norm takes its gain and bias, and the residual sum before it: one pass over the row instead of up to four.</summary>
internal static class FuseResidualNorm
{
    public static ModelGraph Apply(ModelGraph graph)
    {
        var editor = new GraphEditor(graph);
        foreach (var name in editor.Live().Where(node => node.Op == GraphOp.Normalise).Select(node => node.Name))
        {
            var norm = editor.Of(name)!;
            if (editor.OnlyReader(name) is { Op: GraphOp.Gain } gain)
            {
                norm = editor.Change(norm with { Weight = gain.Weight });
                editor.Lead(gain.Name, name);
            }

            if (editor.OnlyReader(name) is { Op: GraphOp.Bias } bias)
            {
                norm = editor.Change(norm with { Bias = bias.Weight });
                editor.Lead(bias.Name, name);
            }

            if (editor.Of(norm.Inputs[0], GraphOp.Add) is not { } sum)
                continue;
            var fused = name[..name.LastIndexOf('.')];
            editor.AddBehind(sum.Name, norm with { Name = fused, Op = GraphOp.ResidualNorm, Inputs = sum.Inputs });
            editor.Lead(sum.Name, GraphNode.SumOf(fused));
            editor.Lead(name, fused);
        }

        return editor.Graph();
    }
}
