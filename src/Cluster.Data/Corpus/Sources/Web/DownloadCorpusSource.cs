using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Sources.Web;

/// <summary>A file to fetch.</summary>
/// <param name="Url">From where.</param>
/// <param name="Sha256">What it must be; null takes what comes, and records its digest.</param>
/// <param name="Name">Its name here, which says its kind; null takes the last part of the address.</param>
public sealed record RemoteFile(string Url, string? Sha256 = null, string? Name = null);

/// <summary>Files of a public server, or of a data set of the Hugging Face hub, fetched with resume and checksum.</summary>
/// <param name="description">One phrase.</param>
/// <param name="files">What to fetch.</param>
/// <param name="options">Patience.</param>
/// <param name="download">Fetches.</param>
internal sealed class DownloadCorpusSource(string description, IReadOnlyList<RemoteFile> files, DownloadOptions options, Download download) : ICorpusSource
{
    /// <inheritdoc/>
    public string Description => description;

    /// <summary>Addresses of the files of a data set: <c>ENDPOINT/datasets/NAME/resolve/REVISION/FILE</c>.</summary>
    public static IReadOnlyList<RemoteFile> HuggingFace(string endpoint, string dataset, string revision, IEnumerable<string> files) =>
    [
        .. files.Select(file => new RemoteFile(
            $"{endpoint.TrimEnd('/')}/datasets/{dataset}/resolve/{Uri.EscapeDataString(revision)}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}",
            Name: file)),
    ];

    /// <inheritdoc/>
    public async Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return complete;
        var found = new List<SourceFile>();
        var failures = new List<ReadFailure>();
        for (var i = 0; i < files.Count; i++)
        {
            if (!Uri.TryCreate(files[i].Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
                throw new UserErrorException($"\"{files[i].Url}\" is no address to fetch from.", "Give one that begins with http:// or https://.");
            var name = files[i].Name ?? Path.GetFileName(url.AbsolutePath);
            if (name.Length == 0 || name.Split('/').Any(part => part is "" or "." or ".."))
                throw new UserErrorException($"The file of {url} has no usable name (\"{name}\").", "Give its name, with an ending that says what it is.");
            // The number keeps two files of one name apart.
            var path = string.Create(CultureInfo.InvariantCulture, $"{i:0000}/{name}");
            var result = await download.FetchAsync(url, store.PathOf(path), files[i].Sha256, options, cancellation);
            if (result.Sha256 is { } sha256)
                found.Add(new SourceFile(path, result.Bytes) { Url = url.ToString(), Sha256 = sha256 });
            else
                failures.Add(new ReadFailure(url.ToString(), result.Reason!, result.Detail!, result.Bytes));
        }

        return store.Save(found, failures);
    }
}
