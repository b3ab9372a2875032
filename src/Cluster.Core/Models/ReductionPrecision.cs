namespace Cluster.Core.Models;

/// <summary>How the nodes of the reduction tree are stored and sent (determinism.md, rule 4).</summary>
public enum ReductionPrecision
{
    /// <summary>As they are added up: in single precision.</summary>
    Fp32,

    /// <summary>
    /// Every node, the sum over all lanes included, rounded to bfloat16, to nearest and ties to even, wherever it was made; two of them are
    /// added in fp32. Half the bytes on the wire and of a node.
    /// </summary>
    Bf16,
}
