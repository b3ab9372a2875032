using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// How members whose optimizer is sharded get the parameters after a step: each owner computes them for its slices, and the others, who
/// lack the moments, copy them.
/// </summary>
/// <param name="Plan">Who holds which moments; of at least three members.</param>
/// <param name="Updated">As long as the gradient; receives the own slices after the step, which peers read there until the next key.</param>
/// <param name="Compute">Computes a slice's parameters after the step and leaves parameters and moments as they are.</param>
public sealed record ShardedUpdate(ShardPlan Plan, Memory<float> Updated, ShardUpdate Compute);

/// <summary>Computes a slice's parameters after a step.</summary>
/// <param name="slice">Which; its moments are held.</param>
/// <param name="gradient">The slice of the reduced gradient.</param>
/// <param name="norm">Of the whole gradient.</param>
/// <param name="updated">As long as the slice.</param>
public delegate void ShardUpdate(int slice, ReadOnlySpan<float> gradient, double norm, Span<float> updated);
