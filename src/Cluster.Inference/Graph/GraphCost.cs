using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>What one token costs.</summary>
/// <param name="Flops">Floating-point operations; a multiplication and an addition count as two, an elementary function as one.</param>
/// <param name="WeightBytes">Bytes of weights read.</param>
/// <param name="CacheBytes">Bytes of keys and values read and written.</param>
/// <param name="ActivationBytes">Bytes of values read from other nodes and written for them, 4 each: what the first cache levels carry.</param>
public readonly record struct GraphCost(long Flops, long WeightBytes, long CacheBytes, long ActivationBytes)
{
    /// <summary>Both together.</summary>
    public static GraphCost operator +(GraphCost a, GraphCost b) =>
        new(a.Flops + b.Flops, a.WeightBytes + b.WeightBytes, a.CacheBytes + b.CacheBytes, a.ActivationBytes + b.ActivationBytes);

    /// <summary>The cost of a whole graph.</summary>
    public static GraphCost Of(ModelGraph graph, int seen, double bytesPerWeight) =>
        graph.Nodes.Aggregate(default(GraphCost), (sum, node) => sum + Of(graph, node, seen, bytesPerWeight));

    /// <summary>The cost of one node.</summary>
    /// <param name="graph">The node's graph.</param>
    /// <param name="node">The node.</param>
    /// <param name="seen">Tokens that attention sees, the own one included.</param>
    /// <param name="bytesPerWeight">Of a matrix; tables, gains and biases take 4 each.</param>
    public static GraphCost Of(ModelGraph graph, GraphNode node, int seen, double bytesPerWeight)
    {
        var shape = graph.Shape;
        long width = node.Width, query = (long)shape.Heads * shape.HeadSize, keyValue = (long)shape.KvHeads * shape.HeadSize;
        long scores = (long)shape.Heads * seen, dot = 2 * query * seen, half = keyValue * seen * sizeof(float);
        long norm = (shape.Norm == Normalization.LayerNorm ? 7 : 4) * width + Elements(node.Weight) + Elements(node.Bias);
        return node.Op switch
        {
            GraphOp.Slice => default,
            GraphOp.Embedding or GraphOp.PositionRow => new(0, 4 * width, 0, 4 * width),
            GraphOp.SinusoidalPosition or GraphOp.RotaryAngles => new(3 * width, 0, 0, 4 * width),
            GraphOp.Add or GraphOp.Multiply => new(width, 0, 0, 12 * width),
            GraphOp.Scale when node.Heads > 0 => new(scores, 0, 0, 8 * scores),
            GraphOp.Scale => new(width, 0, 0, 8 * width),
            GraphOp.Gain or GraphOp.Bias => new(width, 4 * width, 0, 8 * width),
            GraphOp.Normalise => new(norm, Bytes(node.Weight) + Bytes(node.Bias), 0, 8 * width),
            GraphOp.ResidualNorm => new(norm + width, Bytes(node.Weight) + Bytes(node.Bias), 0, 16 * width),
            GraphOp.Product => new(2 * node.Weight!.Count + Elements(node.Bias) + node.Activation switch
            {
                ProductActivation.Gelu => 8 * width,
                ProductActivation.Swiglu => 5 * width,
                _ => 0,
            }, (long)(node.Weight.Count * bytesPerWeight) + Bytes(node.Bias), 0, 4L * node.Weight.Columns + 4 * width),
            GraphOp.Gelu => new(8 * width, 0, 0, 8 * width),
            GraphOp.Silu => new(4 * width, 0, 0, 8 * width),
            GraphOp.Rotate => new(3 * width, 0, 0, 8 * width + 4L * shape.HeadSize),
            GraphOp.Append => new(0, 0, 8 * keyValue, 8 * keyValue),
            GraphOp.Scores => new(dot, 0, half, 4 * query + 4 * scores),
            GraphOp.Softmax => new(4 * scores, 0, 0, 8 * scores),
            GraphOp.WeightedSum => new(dot, 0, half, 4 * scores + 4 * query),
            GraphOp.Attention => new(2 * dot + (node.Factor == 1 ? 4 : 5) * scores + (node.Inputs.Count > 3 ? 3 * (query + keyValue) : 0), 0,
                2 * half + 8 * keyValue, 8 * query + 8 * keyValue),
            _ => throw new ArgumentOutOfRangeException(nameof(node), node.Op, null),
        };
    }

    private static long Elements(GraphWeight? weight) => weight?.Count ?? 0;

    private static long Bytes(GraphWeight? weight) => 4 * Elements(weight);
}
