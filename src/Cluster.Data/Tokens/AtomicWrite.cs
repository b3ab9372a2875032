// Enters: a path and content. Leaves: the file, whole or not at all. Does not know: what the content means.

using Cluster.Core.Errors;

namespace Cluster.Data.Tokens;

/// <summary>Writes a file aside, flushes it to disk and renames it into place: a reader sees the old file or the new one.</summary>
internal static class AtomicWrite
{
    /// <summary>Replaces the file at <paramref name="path"/>; missing folders are made.</summary>
    /// <exception cref="UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public static void AllBytes(string path, ReadOnlySpan<byte> content)
    {
        var aside = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            using (var stream = new FileStream(aside, FileMode.Create, FileAccess.Write))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }

            File.Move(aside, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Discard(aside);
            throw new UserErrorException($"{path} cannot be written ({e.Message}).", "Check that the folder is writable and the disk has space.", e);
        }
    }

    private static void Discard(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The write's own failure is the one to report; a remnant under another name misleads nobody.
        }
    }
}
