using System.Text.Json;
using System.Text.RegularExpressions;
using Cluster.Cli.Hosting.Local;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>infra/grafana against a real cluster that trains and a real Prometheus that watches it: no panel is empty.</summary>
[Collection(ProcessCollection.Name)]
public sealed partial class DashboardTests : IDisposable
{
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [PrometheusFact]
    public async Task Panels_AShortTraining_EveryNameExistsAndEveryQueryHasData()
    {
        var since = DateTimeOffset.UtcNow;
        var runs = _run.Runs;
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        await using var prometheus = await PrometheusServer.StartAsync(Path.Combine(Path.GetDirectoryName(runs)!, "prometheus"), new ClusterFolder(runs).MetricsTargets);
        var state = new ClusterFolder(runs).Running("cluster");
        await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("watched", steps: 500, checkpointEvery: 100, evaluateEvery: 50), new QuietObserver(), null, CancellationToken.None);

        // What was scraped last is evaluated a moment later.
        var queries = Directory.GetFiles(Repository.Path("infra", "grafana", "dashboards"), "*.json").SelectMany(Queries).ToList();
        Assert.True(queries.Count > 30, $"only {queries.Count} queries were found");
        var names = await prometheus.NamesAsync();
        var unknown = queries.SelectMany(query => Names(query.Query).Except(names).Select(name => $"{query.Panel}: {name}")).ToList();
        Assert.True(unknown.Count == 0, string.Join('\n', unknown));
        var empty = new List<string>();
        foreach (var (panel, query) in queries)
        {
            if (await prometheus.CountAsync(query, since) == 0)
                empty.Add($"{panel}: {query}");
        }

        Assert.True(empty.Count == 0, string.Join('\n', empty));
        Assert.Equal(0, await up.EndAsync());
    }

    [Fact]
    public void Names_OfAQuery_AreItsMetricsOnly() => Assert.Equal(
        ["cluster_a_total", "stage:cluster_b:rate1m", "up"],
        Names("sum by (run, stage) (rate(cluster_a_total{run=~\"a_b\"}[1m])) / on (run) group_left () (stage:cluster_b:rate1m > 0) + up").Order(StringComparer.Ordinal));

    [Fact]
    public void Training_FirstPanels_AreLossAndThroughput() => Assert.Equal(
        ["Loss", "Throughput"],
        Queries(Repository.Path("infra", "grafana", "dashboards", "training.json")).Select(query => query.Panel).Distinct().Take(2));

    /// <summary>The queries of a dashboard with every run and process chosen.</summary>
    private static IEnumerable<(string Panel, string Query)> Queries(string path)
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(path));
        return
        [
            .. dashboard.RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray().Select(target =>
                (panel.GetProperty("title").GetString()!, Variable().Replace(target.GetProperty("expr").GetString()!, ".*")))),
        ];
    }

    private static IEnumerable<string> Names(string query) =>
        Name().Matches(NoName().Replace(query, "")).Select(match => match.Value).Where(name => name is "up" || name.Contains('_', StringComparison.Ordinal)).Distinct();

    [GeneratedRegex(@"\$\w+")]
    private static partial Regex Variable();

    /// <summary>What looks like a name and is none: selectors, ranges, grouping, functions.</summary>
    [GeneratedRegex(@"\{[^}]*\}|\[[^\]]*\]|\b(by|on|ignoring|group_left)\s*\([^)]*\)|\b\w+\s*(?=\()")]
    private static partial Regex NoName();

    [GeneratedRegex(@"[a-z][\w:]*")]
    private static partial Regex Name();
}
