namespace Cluster.AppHost.Tests;

/// <summary>Files where they lie.</summary>
internal static class Repository
{
    /// <summary>The folder of Cluster.sln.</summary>
    public static string Root { get; } = System.IO.Path.GetFullPath("..", System.IO.Path.GetFullPath(Projects.Cluster_AppHost.ProjectPath));

    /// <summary>A file's text.</summary>
    public static string Read(params IEnumerable<string> parts) => File.ReadAllText(System.IO.Path.Combine([Root, .. parts]));
}
