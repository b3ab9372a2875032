using Cluster.Data.Corpus.Pipeline;

namespace Cluster.EndToEnd.Tests.Corpus;

/// <summary>Tells when a phase of a build, whoever runs it, has finished so many units: the system says so as each marker is renamed into place.</summary>
internal sealed class MarkerWatch : IDisposable
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FileSystemWatcher _watcher;
    private readonly string _folder;
    private readonly int _units;

    /// <param name="corpus">The corpus.</param>
    /// <param name="phase">The phase.</param>
    /// <param name="units">Markers to wait for.</param>
    public MarkerWatch(CorpusFolder corpus, string phase, int units)
    {
        (_folder, _units) = (Path.GetDirectoryName(corpus.Marker(phase, 0))!, units);
        Directory.CreateDirectory(_folder);
        _watcher = new FileSystemWatcher(_folder);
        _watcher.Renamed += (_, _) => Look();
        _watcher.EnableRaisingEvents = true;
        Look();
    }

    /// <summary>Ends when they are there.</summary>
    public Task Reached => _reached.Task;

    public void Dispose() => _watcher.Dispose();

    private void Look()
    {
        if (Directory.GetFiles(_folder, "*.json").Length >= _units)
            _reached.TrySetResult();
    }
}
