namespace Cluster.Cli.Benchmarks;

/// <summary>The value in the middle; of an even number of them the upper one of the two.</summary>
internal static class Median
{
    /// <param name="values">At least one.</param>
    public static double Of(IReadOnlyCollection<double> values) => values.Order().ElementAt(values.Count / 2);
}
