// Enters: metric points as they were written, possibly some steps twice. Leaves: curves to draw. Does not know: how they are drawn.

using Cluster.Core.Runs;

namespace Cluster.Silo.Reports;

/// <summary>A figure over the steps of a stage, in the order of the steps, each step once, finite values only.</summary>
/// <param name="Steps">Steps applied.</param>
/// <param name="Values">One per step.</param>
internal sealed record Curve(double[] Steps, double[] Values)
{
    /// <summary>Most points that a plot is given: more than it has columns of pixels.</summary>
    public const int MostPoints = 2_000;

    /// <summary>Number of points.</summary>
    public int Count => Steps.Length;

    /// <summary>
    /// One figure of a stage's points. A run that was resumed may have written the steps after its last checkpoint twice; the later
    /// point counts.
    /// </summary>
    public static Curve Of(IReadOnlyList<MetricPoint> metrics, string stage, Func<MetricPoint, double?> figure)
    {
        var byStep = new SortedDictionary<long, double>();
        foreach (var point in metrics.Where(point => point.Stage == stage))
        {
            if (figure(point) is { } value && double.IsFinite(value))
                byStep[point.Step] = value;
        }

        return new Curve([.. byStep.Keys.Select(step => (double)step)], [.. byStep.Values]);
    }

    /// <summary>Points on either side that <see cref="Smoothed"/> averages: a hundredth of the curve.</summary>
    public int SmoothingReach => Count / 100;

    /// <summary>The centred mean over 2 × <see cref="SmoothingReach"/> + 1 points, fewer at the ends; it lags behind nothing.</summary>
    public Curve Smoothed()
    {
        var sums = new double[Count + 1];
        for (var i = 0; i < Count; i++)
            sums[i + 1] = sums[i] + Values[i];
        var means = new double[Count];
        for (var i = 0; i < Count; i++)
        {
            // As far to one side as to the other, or the ends of a falling curve would be pulled towards its middle.
            var reach = Math.Min(SmoothingReach, Math.Min(i, Count - 1 - i));
            means[i] = (sums[i + reach + 1] - sums[i - reach]) / (2 * reach + 1);
        }

        return this with { Values = means };
    }

    /// <summary>At most <see cref="MostPoints"/> points: the least and the greatest of each stretch, so that spikes stay.</summary>
    public Curve Thinned()
    {
        if (Count <= MostPoints)
            return this;
        const int stretches = MostPoints / 2;
        var kept = new List<int>(MostPoints);
        for (var stretch = 0; stretch < stretches; stretch++)
        {
            int from = (int)((long)stretch * Count / stretches), to = (int)((long)(stretch + 1) * Count / stretches);
            int least = from, greatest = from;
            for (var i = from + 1; i < to; i++)
            {
                if (Values[i] < Values[least])
                    least = i;
                if (Values[i] > Values[greatest])
                    greatest = i;
            }

            kept.Add(Math.Min(least, greatest));
            if (least != greatest)
                kept.Add(Math.Max(least, greatest));
        }

        return new Curve([.. kept.Select(i => Steps[i])], [.. kept.Select(i => Values[i])]);
    }
}
