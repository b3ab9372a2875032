namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// The files below a folder, in ordinal order of their paths. Hidden files and folders are passed over, and so are links to folders: a
/// link may lead back to where it stands. A folder that may not be listed is a failure, not an absence.
/// </summary>
internal static class FileWalk
{
    /// <param name="root">The folder, or a single file.</param>
    /// <param name="reads">Whether a path is to be read.</param>
    /// <param name="idOf">An id for a path, for failures.</param>
    /// <param name="skip">Top-level folders left out.</param>
    public static (List<(string Path, long Bytes)> Files, List<ReadFailure> Failures, SortedDictionary<string, long> PassedOver) Find(
        string root, Func<string, bool> reads, Func<string, string> idOf, IReadOnlyCollection<string>? skip = null)
    {
        var files = new List<(string, long)>();
        var failures = new List<ReadFailure>();
        var passedOver = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var pending = new Stack<string>([""]);
        while (pending.TryPop(out var folder))
        {
            List<FileSystemInfo> entries;
            try
            {
                entries = [.. new DirectoryInfo(Path.Combine(root, folder)).EnumerateFileSystemInfos()];
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                failures.Add(new ReadFailure(idOf(folder), "unreadable_folder", $"{idOf(folder)}: {error.Message}", 0));
                continue;
            }

            foreach (var entry in entries)
            {
                var path = folder.Length == 0 ? entry.Name : $"{folder}/{entry.Name}";
                if (entry.Name[0] == '.' || (folder.Length == 0 && skip?.Contains(entry.Name) == true))
                    continue;
                if (entry.Attributes.HasFlag(FileAttributes.Directory))
                {
                    if (entry.Attributes.HasFlag(FileAttributes.ReparsePoint))
                        Count("link_to_folder");
                    else
                        pending.Push(path);
                }
                else if (!reads(path))
                {
                    Count(Path.GetExtension(path) is { Length: > 0 } extension ? "other_kind" + extension.ToLowerInvariant() : "other_kind");
                }
                else if (Length(entry) is { } bytes)
                {
                    files.Add((path, bytes));
                }
                else
                {
                    failures.Add(new ReadFailure(idOf(path), "broken_link", $"{idOf(path)} leads nowhere.", 0));
                }
            }
        }

        files.Sort((a, b) => string.CompareOrdinal(a.Item1, b.Item1));
        failures.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
        return (files, failures, passedOver);

        void Count(string reason) => passedOver[reason] = passedOver.GetValueOrDefault(reason) + 1;
    }

    private static long? Length(FileSystemInfo entry)
    {
        try
        {
            return entry.Attributes.HasFlag(FileAttributes.ReparsePoint)
                ? entry.ResolveLinkTarget(returnFinalTarget: true) is FileInfo { Exists: true } target ? target.Length : null
                : ((FileInfo)entry).Length;
        }
        catch (IOException)
        {
            // A link that leads to itself.
            return null;
        }
    }
}
