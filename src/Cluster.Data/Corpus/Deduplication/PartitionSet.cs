using Cluster.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// The files that are resolved together: those of the corpus at hand and those of earlier ones, opened, and known to be of one scheme.
/// The order in which the files of a corpus are named does not matter.
/// </summary>
internal sealed class PartitionSet : IDisposable
{
    /// <exception cref="UserErrorException">A file is missing, damaged or of another scheme, or two files of a corpus are of one partition.</exception>
    public PartitionSet(string magic, IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier)
    {
        if (earlier.Count > DocumentRank.MaximumEarlier)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"There are {earlier.Count} earlier corpora."),
                FormattableString.Invariant($"Give at most {DocumentRank.MaximumEarlier}."));
        }

        var files = new List<Source>();
        try
        {
            for (var corpus = 0; corpus <= earlier.Count; corpus++)
                foreach (var path in corpus == 0 ? atHand : earlier[corpus - 1])
                {
                    var (handle, header) = PartitionFile.Open(path, magic);
                    files.Add(new Source(corpus, header.Partition, header.Rows, path, handle, header.Scheme));
                }

            files.Sort((a, b) => a.Corpus != b.Corpus ? a.Corpus.CompareTo(b.Corpus) : a.Partition.CompareTo(b.Partition));
            for (var i = 1; i < files.Count; i++)
            {
                if (files[i].Scheme != files[0].Scheme)
                    throw new UserErrorException(
                        $"{files[i].Path} was made by \"{files[i].Scheme}\", {files[0].Path} by \"{files[0].Scheme}\".", "Make both with the same options.");
                if (files[i].Corpus == files[i - 1].Corpus && files[i].Partition == files[i - 1].Partition)
                    throw new UserErrorException(
                        FormattableString.Invariant($"{files[i - 1].Path} and {files[i].Path} are both of partition {files[i].Partition}."),
                        "Give each partition once.");
            }
        }
        catch
        {
            files.ForEach(file => file.Handle.Dispose());
            throw;
        }

        Files = files;
    }

    /// <summary>One file.</summary>
    public sealed record Source(int Corpus, int Partition, long Rows, string Path, SafeFileHandle Handle, string Scheme);

    /// <summary>By corpus, then by partition.</summary>
    public IReadOnlyList<Source> Files { get; }

    /// <summary>What all files were made by; empty if there are none.</summary>
    public string Scheme => Files.Count == 0 ? "" : Files[0].Scheme;

    /// <summary>Partitions of the corpus at hand, ascending.</summary>
    public IEnumerable<int> AtHand => Files.Where(file => file.Corpus == 0).Select(file => file.Partition);

    public void Dispose()
    {
        foreach (var file in Files)
            file.Handle.Dispose();
    }
}
