// Enters: the lengths of samples. Leaves: the length to which rows are made. Does not know: tokens.

namespace Cluster.Data.Tokens;

/// <summary>
/// The length of rows for samples of unequal length. At the longest sample's length most of a row would be padding; at the 90th
/// to 95th percentile few samples are truncated and little is padded.
/// </summary>
public static class SequenceLength
{
    /// <summary>The smallest length that at least <paramref name="percentile"/> % of the samples do not exceed (nearest rank).</summary>
    /// <param name="lengths">The samples' lengths, in any order; at least one.</param>
    /// <param name="percentile">Above 0, at most 100.</param>
    public static int AtPercentile(IReadOnlyCollection<int> lengths, double percentile)
    {
        ArgumentOutOfRangeException.ThrowIfZero(lengths.Count);
        if (!(percentile is > 0 and <= 100))
            throw new ArgumentOutOfRangeException(nameof(percentile), percentile, "Above 0, at most 100.");
        var sorted = lengths.Order().ToArray();

        // In decimal, so that 95 % of 20 is the 19th and not, by a rounding of 0.95, the 20th.
        return sorted[(int)Math.Ceiling((decimal)percentile * sorted.Length / 100) - 1];
    }
}
