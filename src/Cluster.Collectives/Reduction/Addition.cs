namespace Cluster.Collectives.Reduction;

/// <summary>One addition of a fold: place <paramref name="Left"/> becomes left + right, place <paramref name="Right"/> is used up.</summary>
/// <param name="Left">Place of the left operand, and of the sum, in the list of nodes.</param>
/// <param name="Right">Place of the right operand.</param>
public readonly record struct Addition(int Left, int Right);
