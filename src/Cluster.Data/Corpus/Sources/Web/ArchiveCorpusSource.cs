using System.Formats.Tar;
using System.IO.Compression;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Sources.Files;
using ZstdSharp;

namespace Cluster.Data.Corpus.Sources.Web;

/// <summary>
/// A .zip, .tar, .tar.gz or .tar.zst of this machine or of a server, unpacked once. Its licence is what the recipe declares, since an
/// archive seldom says it in a form that a program may trust. Entries that lead out of the folder, links and entries beyond the limit are
/// failures.
/// </summary>
/// <param name="location">A path, or an address.</param>
/// <param name="sha256">What it must be, or null.</param>
/// <param name="maximumBytes">Most bytes unpacked: an archive of kilobytes can hold terabytes.</param>
/// <param name="reading">Which entries are wanted.</param>
/// <param name="download">Fetches.</param>
/// <param name="options">Patience.</param>
internal sealed class ArchiveCorpusSource(
    string location, string? sha256, long maximumBytes, FileReading reading, Download download, DownloadOptions options) : ICorpusSource
{
    /// <inheritdoc/>
    public string Description => $"archive {location}";

    /// <inheritdoc/>
    public async Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return complete;
        string archive;
        if (Uri.TryCreate(location, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            archive = Path.Combine(folder, Path.GetFileName(url!.AbsolutePath));
            var result = await download.FetchAsync(url, archive, sha256, options, cancellation);
            if (result.Sha256 is null)
                return store.Save([], [new ReadFailure(location, result.Reason!, result.Detail!, result.Bytes)]);
        }
        else
        {
            archive = location;
            if (!File.Exists(archive))
                throw new UserErrorException($"The archive {archive} does not exist.", "Give a .zip, .tar, .tar.gz or .tar.zst.");
        }

        var unpacking = new Unpacking(store, reading, maximumBytes, $"{reading.Dataset}/{Path.GetFileName(archive)}");
        try
        {
            if (archive.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
                unpacking.Zip(archive, cancellation);
            else if (Compression.InnerName(archive).EndsWith(".tar", StringComparison.OrdinalIgnoreCase) || archive.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase))
                unpacking.Tar(archive, cancellation);
            else
                throw new UserErrorException($"The archive {archive} is of an unknown kind.", "Give a .zip, .tar, .tar.gz, .tgz or .tar.zst.");
        }
        catch (Exception error) when (error is IOException or InvalidDataException or ZstdException or FormatException)
        {
            unpacking.Failures.Add(new ReadFailure(
                $"{reading.Dataset}/{Path.GetFileName(archive)}", "corrupt_archive", $"{archive}: {error.Message}", new FileInfo(archive).Length));
        }

        return store.Save(unpacking.Found, unpacking.Failures, unpacking.PassedOver);
    }

    private sealed class Unpacking(SnapshotStore store, FileReading reading, long maximum, string id)
    {
        private long _bytes;

        public List<SourceFile> Found { get; } = [];

        public List<ReadFailure> Failures { get; } = [];

        public SortedDictionary<string, long> PassedOver { get; } = new(StringComparer.Ordinal);

        public void Zip(string path, CancellationToken cancellation)
        {
            using var zip = ZipFile.OpenRead(path);
            foreach (var entry in zip.Entries.Where(entry => !entry.FullName.EndsWith('/')))
            {
                cancellation.ThrowIfCancellationRequested();
                Entry(entry.FullName, entry.Open);
            }
        }

        public void Tar(string path, CancellationToken cancellation)
        {
            using var stream = path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase)
                ? new GZipStream(File.OpenRead(path), CompressionMode.Decompress)
                : Compression.Open(path);
            using var tar = new TarReader(stream);
            while (tar.GetNextEntry() is { } entry)
            {
                cancellation.ThrowIfCancellationRequested();
                if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
                    Entry(entry.Name, () => entry.DataStream ?? Stream.Null);
                else if (entry.EntryType is TarEntryType.SymbolicLink or TarEntryType.HardLink)
                    PassedOver["link"] = PassedOver.GetValueOrDefault("link") + 1;
            }
        }

        private void Entry(string name, Func<Stream> open)
        {
            name = name.Replace('\\', '/');
            if (name.StartsWith("./", StringComparison.Ordinal))
                name = name[2..];
            if (name.StartsWith('/') || name.Split('/').Any(part => part is "" or "." or ".."))
            {
                Failures.Add(new ReadFailure($"{id}/{name}", "unsafe_path", $"{id} has an entry that leads out of its folder.", 0));
                return;
            }

            if (!reading.Reads(name))
            {
                PassedOver["other_kind"] = PassedOver.GetValueOrDefault("other_kind") + 1;
                return;
            }

            if (_bytes >= maximum)
            {
                Failures.Add(new ReadFailure($"{id}/{name}", "archive_too_long", $"{id} unpacks to more than maximum_bytes ({maximum}).", 0));
                return;
            }

            var path = store.PathOf(name);
            long bytes = 0;
            try
            {
                using var input = open();
                using var output = new FileStream(path, FileMode.Create, FileAccess.Write);
                var buffer = new byte[1 << 16];
                int read;
                while ((read = input.Read(buffer)) > 0 && _bytes + bytes <= maximum)
                {
                    output.Write(buffer, 0, read);
                    bytes += read;
                }
            }
            catch (InvalidDataException error)
            {
                // The other entries of a zip are compressed apart from this one.
                File.Delete(path);
                Failures.Add(new ReadFailure($"{id}/{name}", "corrupt_entry", $"{id}/{name}: {error.Message}", bytes));
                return;
            }

            _bytes += bytes;
            if (_bytes > maximum)
            {
                File.Delete(path);
                Failures.Add(new ReadFailure($"{id}/{name}", "archive_too_long", $"{id} unpacks to more than maximum_bytes ({maximum}).", bytes));
                return;
            }

            Found.Add(new SourceFile(name, bytes));
        }
    }
}
