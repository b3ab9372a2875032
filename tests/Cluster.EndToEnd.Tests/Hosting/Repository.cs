namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>Files that are not built.</summary>
internal static class Repository
{
    private static readonly string s_root = FindRoot();

    public static string Path(params string[] parts) => System.IO.Path.Combine([s_root, .. parts]);

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder, "Cluster.sln")))
            folder = System.IO.Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("no Cluster.sln above the test's output");
        return folder;
    }
}
