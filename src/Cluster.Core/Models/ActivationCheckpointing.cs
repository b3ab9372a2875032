namespace Cluster.Core.Models;

/// <summary>
/// What of a block is kept from its forward pass for its backward pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
/// What is computed again has the same bits: memory and time change, the result does not.
/// </summary>
public enum ActivationCheckpointing
{
    /// <summary>Everything that the backward pass reads.</summary>
    None,

    /// <summary>Its input; the block is computed again before its backward pass, all but the last one.</summary>
    Block,
}
