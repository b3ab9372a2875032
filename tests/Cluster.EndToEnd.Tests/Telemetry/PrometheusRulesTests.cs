using System.Text.RegularExpressions;
using Cluster.EndToEnd.Tests.Hosting;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>infra/prometheus, as promtool sees it: rules, their tests, configurations; and that every alert has what an alert must have.</summary>
public sealed partial class PrometheusRulesTests
{
    private static string[] Rules => Directory.GetFiles(Repository.Path("infra", "prometheus", "rules"), "*.yml");

    private static string[] Tests => Directory.GetFiles(Repository.Path("infra", "prometheus", "tests"), "*.yml");

    private static string[] Alerts => [.. AlertName().Matches(File.ReadAllText(Repository.Path("infra", "prometheus", "rules", "alerts.yml"))).Select(match => match.Groups[1].Value)];

    [PrometheusFact]
    public async Task Promtool_RulesAndTheirTests_AreGood()
    {
        await PromtoolAsync(["check", "rules", .. Rules]);
        await PromtoolAsync(["test", "rules", .. Tests]);
    }

    [PrometheusFact]
    public async Task Promtool_Configurations_AreGood()
    {
        await PromtoolAsync(["check", "config", Repository.Path("infra", "prometheus", "prometheus.yml")]);

        // Distributions build Prometheus without the discovery of Kubernetes: all but that block is checked.
        var text = File.ReadAllText(Repository.Path("infra", "prometheus", "prometheus.kubernetes.yml"));
        var without = Discovery().Replace(text, "    static_configs:\n      - targets: [\"127.0.0.1:1\"]\n");
        Assert.NotEqual(text, without);
        var copy = Directory.CreateTempSubdirectory("cluster-prometheus-");
        try
        {
            var path = Path.Combine(copy.FullName, "prometheus.yml");
            await File.WriteAllTextAsync(path, without.Replace("rules/*.yml", Repository.Path("infra", "prometheus", "rules", "*.yml"), StringComparison.Ordinal));
            Assert.Contains("2 rule files found", await PromtoolAsync(["check", "config", path]), StringComparison.Ordinal);
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    [Fact]
    public void Alerts_EachFiresInOneTestAndIsSilentInAnother()
    {
        Assert.Equal(12, Alerts.Length);
        var blocks = string.Join('\n', Tests.Select(File.ReadAllText)).Split("\n  - name: ")[1..];
        foreach (var alert in Alerts)
        {
            var fires = blocks.Count(block => Regex.IsMatch(block, $@"alertname: {alert}\n        exp_alerts:\n"));
            var silent = blocks.Count(block => block.Contains($"alertname: {alert}\n", StringComparison.Ordinal) && !Regex.IsMatch(block, $@"alertname: {alert}\n        exp_alerts:\n"));
            Assert.True(fires > 0, $"no test has {alert} fire");
            Assert.True(silent > 0, $"no test has {alert} silent all the time");
        }
    }

    [Fact]
    public void Alerts_EachLinksToItsParagraph()
    {
        var rules = File.ReadAllText(Repository.Path("infra", "prometheus", "rules", "alerts.yml"));
        var runbook = File.ReadAllText(Repository.Path("infra", "runbooks", "alerts.md"));
        var headings = Heading().Matches(runbook).Select(match => match.Groups[1].Value).ToList();

        Assert.Equal(Alerts, headings);
        Assert.Equal(
            Alerts.Select(alert => "infra/runbooks/alerts.md#" + alert.ToLowerInvariant()),
            RunbookLink().Matches(rules).Select(match => match.Groups[1].Value));
    }

    private static async Task<string> PromtoolAsync(IEnumerable<string> arguments)
    {
        await using var promtool = LineProcess.Start(PrometheusFactAttribute.Tool!, arguments);
        var code = await promtool.Exited.WaitAsync(TimeSpan.FromSeconds(60));
        var text = await promtool.RestAsync();
        Assert.True(code == 0, text);
        return text;
    }

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex AlertName();

    [GeneratedRegex(@"runbook_url: (\S+)")]
    private static partial Regex RunbookLink();

    [GeneratedRegex(@"^## (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"    kubernetes_sd_configs:\n(      .*\n)+?(?=    relabel_configs)")]
    private static partial Regex Discovery();
}
