namespace Cluster.Core.Files;

/// <summary>
/// Replaces a folder as a whole: the new one is written aside and renamed. No folder can be renamed over a full one, so the earlier one
/// steps aside first; <see cref="Find"/> sees one of the two at every moment, after a crash too.
/// </summary>
public static class AtomicFolder
{
    private const string Writing = ".writing";
    private const string Replaced = ".replaced";

    /// <summary>Makes a folder of what a caller writes into another one; where the caller fails, the earlier folder is as it was.</summary>
    /// <param name="path">The folder; its parent is made where it is missing.</param>
    /// <param name="write">Given the path of an empty folder beside it.</param>
    /// <exception cref="IOException">A folder cannot be made or renamed.</exception>
    public static void Write(string path, Action<string> write)
    {
        string aside = path + Writing, replaced = path + Replaced;
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        Directory.CreateDirectory(aside);
        try
        {
            write(aside);
            if (Directory.Exists(path))
            {
                if (Directory.Exists(replaced))
                    Directory.Delete(replaced, recursive: true);
                Directory.Move(path, replaced);
            }

            Directory.Move(aside, path);
        }
        catch
        {
            if (Directory.Exists(aside))
                Directory.Delete(aside, recursive: true);
            if (!Directory.Exists(path) && Directory.Exists(replaced))
                Directory.Move(replaced, path);
            throw;
        }

        if (Directory.Exists(replaced))
            Directory.Delete(replaced, recursive: true);
    }

    /// <summary>Where the folder's content is; null where there is none.</summary>
    public static string? Find(string path) => Directory.Exists(path) ? path : Directory.Exists(path + Replaced) ? path + Replaced : null;
}
