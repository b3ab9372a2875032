using Cluster.Core.Errors;

namespace Cluster.Silo.Reports;

/// <summary>Writes a file aside and renames it into place: a reader sees the old file or the new one.</summary>
internal static class WholeFile
{
    /// <summary>Replaces the file at <paramref name="path"/>; missing folders are made.</summary>
    /// <exception cref="UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public static void Write(string path, byte[] content)
    {
        var aside = $"{path}.{Path.GetRandomFileName()}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(aside, content);
            File.Move(aside, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Discard(aside);
            throw new UserErrorException(
                $"{path} cannot be written ({e.Message.TrimEnd('.')}).", "Check that the folder is writable and the disk has space.", e);
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
