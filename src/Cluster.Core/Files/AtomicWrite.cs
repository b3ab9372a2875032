// Enters: a path and content. Leaves: the file, whole or not at all. Does not know: what the content means.

using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Core.Files;

/// <summary>Writes a file aside, flushes it to disk and renames it into place: a reader sees the old file or the new one.</summary>
public static class AtomicWrite
{
    /// <summary>Replaces the file at <paramref name="path"/>; missing folders are made. Of concurrent writers the last one wins.</summary>
    /// <exception cref="UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public static void AllBytes(string path, ReadOnlySpan<byte> content)
    {
        // Random and not the process's id: processes in containers that share a folder may all be number 1.
        var aside = $"{path}.{Path.GetRandomFileName()}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(aside))!);
            using (var stream = new FileStream(aside, FileMode.CreateNew, FileAccess.Write))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }

            File.Move(aside, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Discard(aside);
            throw new UserErrorException(
                $"{path} cannot be written ({e.Message.TrimEnd('.')}).", "Check that the folder is writable and the disk has space.", e);
        }
    }

    /// <summary><see cref="AllBytes"/> of <paramref name="content"/> as UTF-8 without a byte order mark.</summary>
    /// <exception cref="UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public static void AllText(string path, string content) => AllBytes(path, Encoding.UTF8.GetBytes(content));

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
