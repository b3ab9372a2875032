using Cluster.Core.Errors;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus.Sources;

/// <summary>A folder, with its sub-folders, or a single file of this machine. Nothing is copied: the folder must stay as it is until the corpus is built.</summary>
internal sealed class FolderCorpusSource(string path, FileReading reading) : ICorpusSource
{
    private readonly string _path = Path.GetFullPath(path);

    /// <inheritdoc/>
    public string Description => $"text in {_path}";

    /// <inheritdoc/>
    public Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        if (File.Exists(_path))
        {
            if (!reading.Reads(_path))
                throw new UserErrorException($"The corpus file {_path} is of a kind that is not read.", $"Give a folder or a file of {FileReading.Accepted}.");
            return Task.FromResult(new SourceSnapshot(
                Path.GetDirectoryName(_path)!, [new SourceFile(Path.GetFileName(_path), new FileInfo(_path).Length)], []));
        }

        if (!Directory.Exists(_path))
            throw new UserErrorException($"The corpus path {_path} does not exist.", $"Give a folder or a file of {FileReading.Accepted}.");
        var (files, failures, passedOver) = FileWalk.Find(_path, reading.Reads, name => $"{reading.Dataset}/{name}");
        if (files.Count == 0 && failures.Count == 0)
        {
            var found = passedOver.Count == 0 ? "it has no files" : "found " + string.Join(", ", passedOver.Take(8).Select(pair => $"{pair.Value} {pair.Key}"));
            throw new UserErrorException($"The corpus folder {_path} holds no text: {found}.", $"Give a folder with {FileReading.Accepted} files.");
        }

        return Task.FromResult(new SourceSnapshot(_path, [.. files.Select(file => new SourceFile(file.Path, file.Bytes))], failures) { PassedOver = passedOver });
    }
}
