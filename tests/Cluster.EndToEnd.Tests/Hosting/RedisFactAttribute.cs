namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A test against a real Redis of its own; skipped where none is installed.</summary>
public sealed class RedisFactAttribute : FactAttribute
{
    public RedisFactAttribute()
    {
        if (Server is null)
            Skip = "No redis-server on the PATH.";
    }

    /// <summary>Path of the server, or null.</summary>
    public static string? Server { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);
}
