namespace Cluster.Inference.Graph;

/// <summary>One operation on the values of one token.</summary>
/// <param name="Name">Unique in the graph; also the name of its value.</param>
/// <param name="Op">What it computes.</param>
/// <param name="Width">Values of its result.</param>
public sealed record GraphNode(string Name, GraphOp Op, int Width)
{
    /// <summary>Names of the values it reads, in the order that its operation has them.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>The table, matrix, gain or vector that it reads.</summary>
    public GraphWeight? Weight { get; init; }

    /// <summary>What is added at the end.</summary>
    public GraphWeight? Bias { get; init; }

    /// <summary>What a product does at its end.</summary>
    public ProductActivation Activation { get; init; }

    /// <summary>Of Scale; of Attention what scores are multiplied by.</summary>
    public float Factor { get; init; } = 1;

    /// <summary>Of Slice: its first value.</summary>
    public int Offset { get; init; }

    /// <summary>Heads that the operation goes through, if any: query heads, or for Rotate those of its input.</summary>
    public int Heads { get; init; }

    /// <summary>The block whose cache it reads or writes; −1 if none.</summary>
    public int Layer { get; init; } = -1;

    /// <summary>The names of its values: its own, and for <see cref="GraphOp.ResidualNorm"/> the sum before it.</summary>
    public IReadOnlyList<string> Outputs => Op == GraphOp.ResidualNorm ? [SumOf(Name), Name] : [Name];

    /// <summary>The name of a residual norm's sum.</summary>
    public static string SumOf(string name) => name + ".sum";
}
