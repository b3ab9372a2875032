namespace Cluster.Inference.Serving;

/// <summary>Times in seconds, counted by size. One thread at a time.</summary>
internal sealed class Histogram
{
    private readonly long[] _counts = new long[HistogramSnapshot.Bounds.Count + 1];
    private double _sum;

    public void Record(TimeSpan time)
    {
        var seconds = time.TotalSeconds;
        var bucket = 0;
        while (bucket < HistogramSnapshot.Bounds.Count && seconds > HistogramSnapshot.Bounds[bucket])
            bucket++;
        _counts[bucket]++;
        _sum += seconds;
    }

    public HistogramSnapshot Snapshot() => new([.. _counts], _sum);
}

/// <summary>Times in seconds, counted by size.</summary>
/// <param name="Counts">How many were at most each of <see cref="Bounds"/> and above the one before; the last count is of those above all.</param>
/// <param name="Sum">Their sum in seconds.</param>
public sealed record HistogramSnapshot(IReadOnlyList<long> Counts, double Sum)
{
    /// <summary>Upper bounds in seconds: 1, 2, 5 per decade from 0.1 ms to 1,000 s.</summary>
    public static IReadOnlyList<double> Bounds { get; } =
        [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

    /// <summary>How many times there are.</summary>
    public long Count => Counts.Sum();
}
