using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Silo.Training;

/// <summary>metrics.jsonl of a run, one stage's lines at a time.</summary>
internal static class MetricsFile
{
    /// <summary>Drops a stage's lines after a step: a stage that goes on from there will write them again.</summary>
    /// <returns>The lines of that stage that stay.</returns>
    public static IReadOnlyList<string> Rewind(RunFolder folder, string stage, long steps)
    {
        var points = RunJson.ReadLines<MetricPoint>(folder.Metrics);
        var kept = points.Where(p => p.Stage != stage || p.Step <= steps).ToArray();
        if (kept.Length < points.Count || !File.Exists(folder.Metrics))
            AtomicWrite.AllText(folder.Metrics, string.Concat(kept.Select(p => RunJson.Line(p) + "\n")));
        return [.. kept.Where(p => p.Stage == stage).Select(RunJson.Line)];
    }

    /// <summary>A stage's points after a step, in order.</summary>
    public static IReadOnlyList<MetricPoint> After(RunFolder folder, string stage, long steps) =>
        [.. RunJson.ReadLines<MetricPoint>(folder.Metrics).Where(p => p.Stage == stage && p.Step > steps)];

    /// <summary>Adds lines.</summary>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static void Append(RunFolder folder, IEnumerable<string> lines)
    {
        try
        {
            File.AppendAllText(folder.Metrics, string.Concat(lines.Select(line => line + "\n")));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The metrics cannot be written to {folder.Metrics}: {error.Message}", "Free space there and run the same command again to go on.", error);
        }
    }
}
