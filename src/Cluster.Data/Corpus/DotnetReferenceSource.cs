using System.Security.Cryptography;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Corpus;

/// <summary>
/// The reference documentation of the .NET SDK on this machine (about 75 MB of XML in the reference packs) as documents, one per
/// outermost type, and as structured members. Only the newest version of each pack is read; identical files in several packs are
/// parsed once.
/// </summary>
public sealed class DotnetReferenceSource : IDocumentSource
{
    private readonly string _root;
    private readonly IReadOnlyList<DotnetRoot.PackFile> _files;

    /// <param name="root">Folder of an SDK, the one that has <c>packs</c> in it; null finds the one in use.</param>
    /// <param name="assemblies">Limits the reading to these assemblies ("System.Collections"); null reads all.</param>
    /// <exception cref="UserErrorException">There is no reference documentation.</exception>
    public DotnetReferenceSource(string? root = null, IReadOnlyCollection<string>? assemblies = null)
    {
        if (root is null)
            (_root, _files) = DotnetRoot.Find();
        else
            (_root, _files) = (root, DotnetRoot.Files(root));
        if (assemblies is not null)
            _files = [.. _files.Where(file => assemblies.Contains(Path.GetFileNameWithoutExtension(file.Path)))];
        if (_files.Count == 0)
        {
            var what = assemblies is null ? "" : $" of {string.Join(", ", assemblies)}";
            throw new UserErrorException(
                $"{Path.Combine(_root, "packs")} holds no reference documentation{what}.",
                "Give the folder of a .NET SDK, the one with packs/*.Ref in it.");
        }
    }

    /// <inheritdoc/>
    public string Description => $".NET reference documentation in {Path.Combine(_root, "packs")}";

    /// <summary>Paths of the files that are read.</summary>
    public IReadOnlyList<string> Paths => [.. _files.Select(file => file.Path)];

    /// <summary>Bytes of all files, before reading them: for a plan.</summary>
    public long TotalBytes => _files.Sum(file => new FileInfo(file.Path).Length);

    /// <inheritdoc/>
    public SourceContent Read(int workers, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        var bytes = new byte[_files.Count][];
        var digests = new string[_files.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, _files.Count, options, i =>
            {
                bytes[i] = File.ReadAllBytes(_files[i].Path);
                digests[i] = Convert.ToHexString(SHA256.HashData(bytes[i]));
            });
        }
        catch (AggregateException errors) when (errors.InnerException is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException(
                $"The reference documentation in {_root} cannot be read: {errors.InnerException.Message}",
                "Make it readable, or set DOTNET_ROOT to another SDK.", errors.InnerException);
        }

        var total = bytes.Sum(file => (long)file.Length);
        var copies = digests.CountBy(digest => digest, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        var first = new HashSet<string>(StringComparer.Ordinal);
        var unique = Enumerable.Range(0, _files.Count).Where(i => first.Add(digests[i])).ToArray();
        var inputs = new ReferenceLibrary.Input[unique.Length];
        var invalid = new long[unique.Length];
        Parallel.For(0, unique.Length, options, at =>
        {
            var i = unique[at];
            inputs[at] = new ReferenceLibrary.Input(_files[i].Name, TextDecoder.Decode(bytes[i], out invalid[at]), copies[digests[i]]);
            bytes[i] = [];
        });

        var library = ReferenceLibrary.Read(inputs, total, workers, cancellation);
        var (documents, assembly) = TypeDocuments.Assemble(library.Types, "dotnet:", library.Stage.BytesOut);
        return new SourceContent(
            documents, library.Types,
            new SourceStatistics(_files.Count, total, invalid.Sum(), [library.Stage, assembly], library.Warnings));
    }
}
