using System.Text.Json;
using Cluster.EndToEnd.Tests.Hosting;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>infra/grafana as text; with a cluster and a Prometheus in <see cref="ObservedClusterTests"/>.</summary>
public sealed class DashboardTests
{
    [Fact]
    public void Dashboards_Ids_AreTheirOwn()
    {
        var dashboards = Directory.GetFiles(Repository.Path("infra", "grafana", "dashboards"), "*.json").Select(path => JsonDocument.Parse(File.ReadAllText(path)).RootElement).ToList();

        Assert.Equal(5, dashboards.Select(dashboard => dashboard.GetProperty("uid").GetString()).Distinct().Count());
        Assert.All(dashboards, dashboard => Assert.Equal(
            dashboard.GetProperty("panels").GetArrayLength(), dashboard.GetProperty("panels").EnumerateArray().Select(panel => panel.GetProperty("id").GetInt32()).Distinct().Count()));
    }

    [Fact]
    public void Names_OfAQuery_AreItsMetricsOnly() => Assert.Equal(
        ["cluster_a_total", "stage:cluster_b:rate1m", "up"],
        DashboardQueries.Names("sum by (run, stage) (rate(cluster_a_total{run=~\"a_b\"}[1m])) / on (run) group_left () (stage:cluster_b:rate1m > 0) + up").Order(StringComparer.Ordinal));

    [Fact]
    public void Training_FirstPanels_AreLossAndThroughput() => Assert.Equal(
        ["Loss", "Throughput"],
        DashboardQueries.Of(Repository.Path("infra", "grafana", "dashboards", "training.json")).Select(query => query.Panel).Distinct().Take(2));
}
