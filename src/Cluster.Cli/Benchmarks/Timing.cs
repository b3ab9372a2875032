using System.Diagnostics;

namespace Cluster.Cli.Benchmarks;

/// <summary>How long something took.</summary>
/// <param name="Seconds">By the clock.</param>
/// <param name="ProcessorSeconds">Of all the process's threads together.</param>
internal readonly record struct Timing(double Seconds, double ProcessorSeconds)
{
    public static Timing Worst { get; } = new(double.PositiveInfinity, double.PositiveInfinity);

    /// <summary>Each figure's smaller value.</summary>
    public Timing Least(Timing other) => new(Math.Min(Seconds, other.Seconds), Math.Min(ProcessorSeconds, other.ProcessorSeconds));

    public static (T Result, Timing Timing) Of<T>(Func<T> work)
    {
        var (processor, start) = (Environment.CpuUsage.TotalTime, Stopwatch.GetTimestamp());
        var result = work();
        return (result, new Timing(Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - processor).TotalSeconds));
    }
}
