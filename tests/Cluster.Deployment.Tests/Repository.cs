namespace Cluster.Deployment.Tests;

/// <summary>The files that are tested here are not built: they are read where they lie.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string Path(params IEnumerable<string> parts) => System.IO.Path.Combine([Root, .. parts]);

    public static string Read(params IEnumerable<string> parts) => File.ReadAllText(Path(parts));

    private static string Find()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder, "Cluster.sln")))
            folder = System.IO.Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("no Cluster.sln above the test's output");
        return folder;
    }
}
