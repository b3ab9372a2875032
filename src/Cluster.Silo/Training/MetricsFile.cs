using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Silo.Training;

/// <summary>
/// metrics.jsonl of a run, one stage's lines at a time. Who writes owns the file: owning puts a copy in its place, so that an earlier
/// owner, which may only have hung and wakes up in the middle of a write, writes to a file that nobody sees any more.
/// </summary>
internal sealed class MetricsFile : IDisposable
{
    private readonly string _path;
    private FileStream _file;

    private MetricsFile(string path, FileStream file) => (_path, _file) = (path, file);

    /// <summary>Takes the file over from whoever wrote to it.</summary>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static MetricsFile Own(RunFolder folder)
    {
        AtomicWrite.AllBytes(folder.Metrics, File.Exists(folder.Metrics) ? File.ReadAllBytes(folder.Metrics) : []);
        return new MetricsFile(folder.Metrics, Open(folder.Metrics));
    }

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
    public void Append(IEnumerable<string> lines)
    {
        try
        {
            // Whoever takes it over leaves no moment without a file: one that is missing was deleted.
            if (!File.Exists(_path))
            {
                _file.Dispose();
                _file = Open(_path);
            }

            _file.Write(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The metrics cannot be written to {_path}: {error.Message}", "Free space there and run the same command again to go on.", error);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static FileStream Open(string path) => new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
