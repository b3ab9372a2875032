// Whether several threads or the caller alone compute the next pass. Enters: how long passes took. Leaves: a choice, which changes speed and
// no bit. Does not know: clocks, threads.
using System.Numerics;

namespace Cluster.Inference.Managed;

/// <summary>
/// Threads that wait for each other dozens of times in half a millisecond gain only while each has a core; where other programs want the
/// cores too, one thread alone is many times faster. So both ways are timed, separately for few and many rows: the one with the
/// shorter recent times is taken, and the other is tried again now and then, less often the longer it keeps losing.
/// </summary>
internal sealed class ThreadChoice
{
    /// <summary>Passes between two tries of the other way, at first and after a change.</summary>
    public const int FirstInterval = 16;

    /// <summary>At most.</summary>
    public const int LongestInterval = 1024;

    /// <summary>Weight of a new time against the earlier ones.</summary>
    private const double Weight = 0.25;

    /// <summary>A pass during which the core was taken away counts as so many usual ones at most.</summary>
    private const double Outlier = 4;

    private readonly Class[] _classes = [.. Enumerable.Range(0, 32).Select(_ => new Class())];

    /// <summary>Whether the caller should compute the next pass alone.</summary>
    /// <param name="rows">Of the pass, at least 1.</param>
    public bool Alone(int rows)
    {
        var known = _classes[BitOperations.Log2((uint)rows)];
        var better = known.Alone < known.Together;
        if (++known.Passes < known.Interval)
            return better;
        known.Passes = 0;
        known.Trying = true;
        return !better;
    }

    /// <summary>To be told of each pass after <see cref="Alone"/>.</summary>
    /// <param name="rows">As asked.</param>
    /// <param name="alone">As answered.</param>
    /// <param name="seconds">What it took.</param>
    public void Took(int rows, bool alone, double seconds)
    {
        var known = _classes[BitOperations.Log2((uint)rows)];
        var before = known.Alone < known.Together;
        // Rows of one class differ by up to 2 times in number.
        var perRow = seconds / rows;
        // What was known of the way that is tried again is old.
        if (alone)
            known.Alone = known.Trying ? perRow : Mean(known.Alone, perRow);
        else
            known.Together = known.Trying ? perRow : Mean(known.Together, perRow);
        var changed = known.Alone < known.Together != before;
        if (changed)
            (known.Interval, known.Passes) = (FirstInterval, 0);
        else if (known.Trying)
            known.Interval = Math.Min(2 * known.Interval, LongestInterval);
        known.Trying = false;
    }

    private static double Mean(double mean, double value) => double.IsPositiveInfinity(mean) ? value : mean + Weight * (Math.Min(value, Outlier * mean) - mean);

    /// <summary>What is known of passes with about as many rows. Together is what a new decoder begins with.</summary>
    private sealed class Class
    {
        public double Alone { get; set; } = double.PositiveInfinity;

        public double Together { get; set; } = double.PositiveInfinity;

        public int Interval { get; set; } = FirstInterval;

        public int Passes { get; set; }

        public bool Trying { get; set; }
    }
}
