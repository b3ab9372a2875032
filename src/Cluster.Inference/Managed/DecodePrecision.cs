namespace Cluster.Inference.Managed;

/// <summary>How the managed backend stores the matrices of a model; sums, activations, keys and values are fp32 in any case.</summary>
public enum DecodePrecision
{
    /// <summary>Single precision.</summary>
    Fp32,

    /// <summary>bfloat16, rounded to nearest even: half the memory and half the traffic.</summary>
    Bf16,
}
