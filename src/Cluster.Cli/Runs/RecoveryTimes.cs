namespace Cluster.Cli.Runs;

/// <summary>Times from a fault to the next COMMIT, in seconds.</summary>
/// <param name="Count">Faults.</param>
/// <param name="P50">Median.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Longest">The longest.</param>
internal sealed record RecoveryTimes(int Count, double P50, double P99, double Longest)
{
    /// <summary>Of times in any order; zeros where there are none.</summary>
    public static RecoveryTimes Of(IEnumerable<double> seconds)
    {
        var sorted = seconds.Order().ToArray();
        return sorted.Length == 0 ? new RecoveryTimes(0, 0, 0, 0) : new RecoveryTimes(sorted.Length, At(0.5), At(0.99), Math.Round(sorted[^1], 3));

        double At(double share) => Math.Round(sorted[(int)Math.Ceiling(share * sorted.Length) - 1], 3);
    }
}
