namespace Cluster.Web.Tests.Pages;

/// <summary>A test that looks at the page with a real browser; skipped where there is none.</summary>
public sealed class ChromiumFactAttribute : FactAttribute
{
    public ChromiumFactAttribute()
    {
        if (Browser is null)
            Skip = "No chromium, chromium-browser or google-chrome on the PATH.";
    }

    /// <summary>Path of the browser, or null.</summary>
    public static string? Browser { get; } = (
        from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        from name in new[] { "chromium", "chromium-browser", "google-chrome" }
        select Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
