namespace Cluster.Core.Models;

/// <summary>How activations and the operands of products are stored in training.</summary>
public enum Precision
{
    /// <summary>bf16 where the processor multiplies it in hardware, otherwise fp32; resolved before the first step.</summary>
    Auto,

    /// <summary>Single precision.</summary>
    Fp32,

    /// <summary>bfloat16 operands; fp32 sums, parameters, residual stream, moments and gradients.</summary>
    Bf16,
}
