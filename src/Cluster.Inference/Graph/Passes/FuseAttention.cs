namespace Cluster.Inference.Graph.Passes;

/// <summary>Rotation, append, scores, scale, softmax and weighted sum become one node that goes head by head.</summary>
internal static class FuseAttention
{
    public static ModelGraph Apply(ModelGraph graph)
    {
        var editor = new GraphEditor(graph);
        foreach (var mix in editor.Live().Where(node => node.Op == GraphOp.WeightedSum))
        {
            if (editor.Of(mix.Inputs[0], GraphOp.Softmax) is not { } softmax || editor.Of(mix.Inputs[1], GraphOp.Append) is not { } append)
                continue;
            var scale = editor.Of(softmax.Inputs[0], GraphOp.Scale);
            if (editor.Of(scale is null ? softmax.Inputs[0] : scale.Inputs[0], GraphOp.Scores) is not { } scores || scores.Inputs[1] != append.Name)
                continue;
            string[] inputs = [scores.Inputs[0], .. append.Inputs];
            if (editor.Of(inputs[0], GraphOp.Rotate) is { } query && editor.Of(inputs[1], GraphOp.Rotate) is { } key && query.Inputs[1] == key.Inputs[1])
                inputs = [query.Inputs[0], key.Inputs[0], inputs[2], query.Inputs[1]];
            editor.Change(mix with { Op = GraphOp.Attention, Inputs = inputs, Factor = scale?.Factor ?? 1 });
        }

        return editor.Graph();
    }
}
