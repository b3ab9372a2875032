namespace Cluster.Collectives.Reduction;

/// <summary>What a replica tells of the gradient that it holds after a reduction.</summary>
/// <param name="Hash">Its name, as <see cref="GradientHash.Of(ReadOnlySpan{float}, SlicePlan)"/> gives it.</param>
/// <param name="Norm">Its Euclidean norm, as <see cref="Core.Numerics.BlockNorm"/> gives it.</param>
public readonly record struct ReducedGradient(string Hash, double Norm);
