namespace Cluster.Cli.Rendering;

/// <summary>Paths as people write them.</summary>
public static class Paths
{
    /// <summary>"./runs/demo" below the working folder, otherwise the absolute path.</summary>
    public static string ForPeople(string path)
    {
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative == "." || Path.IsPathRooted(relative) || relative.StartsWith("..", StringComparison.Ordinal) ? path : $"./{relative.Replace('\\', '/')}";
    }
}
