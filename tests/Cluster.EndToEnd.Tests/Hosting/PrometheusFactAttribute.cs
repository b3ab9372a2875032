namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A test with Prometheus and its promtool; skipped where they are not installed.</summary>
public sealed class PrometheusFactAttribute : FactAttribute
{
    public PrometheusFactAttribute()
    {
        if (Server is null || Tool is null)
            Skip = "No prometheus and promtool on the PATH.";
    }

    /// <summary>Path of the server, or null.</summary>
    public static string? Server { get; } = Find("prometheus");

    /// <summary>Path of promtool, or null.</summary>
    public static string? Tool { get; } = Find("promtool");

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
