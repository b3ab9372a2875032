using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Data.Corpus.Sources;

/// <summary>What a fetching source leaves in its folder: <c>files/</c> and, written last, <c>snapshot.json</c> that lists them with digests.</summary>
internal sealed class SnapshotStore(string folder)
{
    private string Manifest => Path.Combine(folder, "snapshot.json");

    /// <summary>Where the files go.</summary>
    public string Files { get; } = Path.Combine(folder, "files");

    /// <summary>The snapshot, if it is complete.</summary>
    public SourceSnapshot? Load() => File.Exists(Manifest)
        ? RunJson.Parse<SourceSnapshot>(File.ReadAllText(Manifest), Manifest) with { Root = Files }
        : null;

    /// <summary>Marks it complete.</summary>
    public SourceSnapshot Save(IEnumerable<SourceFile> files, IEnumerable<ReadFailure> failures, IReadOnlyDictionary<string, long>? passedOver = null)
    {
        var snapshot = new SourceSnapshot(
            Files, [.. files.OrderBy(file => file.Path, StringComparer.Ordinal)], [.. failures.OrderBy(failure => failure.Id, StringComparer.Ordinal)])
        {
            PassedOver = passedOver ?? new SortedDictionary<string, long>(StringComparer.Ordinal),
        };
        // The root moves with the folder.
        AtomicWrite.AllText(Manifest, RunJson.Document(snapshot with { Root = "files" }) + "\n");
        return snapshot;
    }

    /// <summary>A path below <see cref="Files"/>, its folder made.</summary>
    public string PathOf(string relative)
    {
        var path = Path.Combine(Files, relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}
