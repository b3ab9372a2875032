namespace Cluster.Collectives.Reduction;

/// <summary>What a replica tells of the gradient that it holds after a reduction.</summary>
/// <param name="Hash">Its name, as <see cref="GradientHash.Of(ReadOnlySpan{float}, SlicePlan)"/> gives it.</param>
/// <param name="Norm">Its Euclidean norm, as <see cref="Core.Numerics.BlockNorm"/> gives it.</param>
/// <param name="ParametersHash">Where the optimizer is sharded, the name of the parameters after the step; else empty.</param>
public readonly record struct ReducedGradient(string Hash, double Norm, string ParametersHash = "");
