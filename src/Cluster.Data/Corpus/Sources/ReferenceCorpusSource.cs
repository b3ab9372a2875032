using System.Globalization;

namespace Cluster.Data.Corpus.Sources;

/// <summary>
/// The reference documentation of the .NET SDK. A type's members come from several files and links are resolved over all of them, so it
/// is put together once (about 3 s and 0.6 GB for 75 MB) and kept as records; what follows is read like any other folder.
/// </summary>
internal sealed class ReferenceCorpusSource(string? root, IReadOnlyCollection<string>? assemblies) : ICorpusSource
{
    private const long FileBytes = 4 << 20;

    /// <inheritdoc/>
    public string Description => "reference documentation of the .NET SDK";

    /// <inheritdoc/>
    public Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return Task.FromResult(complete);
        var content = new DotnetReferenceSource(root, assemblies).Read(Environment.ProcessorCount, cancellation);
        var files = new List<SourceFile>();
        RecordWriter? writer = null;
        try
        {
            foreach (var document in content.Documents)
            {
                cancellation.ThrowIfCancellationRequested();
                writer ??= new RecordWriter(store.PathOf(Name(files.Count)));
                writer.Add(json =>
                {
                    json.WriteString("text", document.Text);
                    json.WriteString("id", document.Id);
                    json.WriteString("group", document.Group);
                    json.WriteString("url", document.Source);
                    if (document.Title is not null)
                        json.WriteString("title", document.Title);
                });
                if (writer.Bytes >= FileBytes)
                    Finish();
            }

            if (writer is not null)
                Finish();
        }
        finally
        {
            writer?.Dispose();
        }

        return Task.FromResult(store.Save(files, []));

        void Finish()
        {
            var bytes = writer!.Bytes;
            var sha256 = writer.Complete();
            files.Add(new SourceFile(Name(files.Count), bytes) { Sha256 = sha256 });
            writer.Dispose();
            writer = null;
        }

        static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"{number:00000}.jsonl.zst");
    }
}
