using System.Text.Json;
using System.Text.RegularExpressions;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>What dashboards ask Prometheus.</summary>
internal static partial class DashboardQueries
{
    /// <summary>The queries of a dashboard with every run and process chosen.</summary>
    public static IEnumerable<(string Panel, string Query)> Of(string path)
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(path));
        return
        [
            .. dashboard.RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray().Select(target =>
                (panel.GetProperty("title").GetString()!, Variable().Replace(target.GetProperty("expr").GetString()!, ".*")))),
        ];
    }

    /// <summary>The metrics that a query asks for.</summary>
    public static IEnumerable<string> Names(string query) =>
        Name().Matches(NoName().Replace(query, "")).Select(match => match.Value).Where(name => name is "up" || name.Contains('_', StringComparison.Ordinal)).Distinct();

    [GeneratedRegex(@"\$\w+")]
    private static partial Regex Variable();

    /// <summary>What looks like a name and is none: selectors, ranges, grouping, functions.</summary>
    [GeneratedRegex(@"\{[^}]*\}|\[[^\]]*\]|\b(by|on|ignoring|group_left)\s*\([^)]*\)|\b\w+\s*(?=\()")]
    private static partial Regex NoName();

    [GeneratedRegex(@"[a-z][\w:]*")]
    private static partial Regex Name();
}
