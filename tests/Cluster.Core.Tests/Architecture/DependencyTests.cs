using System.Xml.Linq;

namespace Cluster.Core.Tests.Architecture;

/// <summary>Dependencies point one way; this table is where a new one is decided.</summary>
public class DependencyTests
{
    private static readonly string s_root = FindRoot();

    private static readonly Dictionary<string, (string[] Projects, string[] Packages)> s_allowed = new(StringComparer.Ordinal)
    {
        ["Cluster.Core"] = ([], []),
        ["Cluster.Contracts"] = (["Core"], ["Microsoft.Orleans.Sdk"]),
        ["Cluster.Data"] = (["Core"], ["AngleSharp", "Parquet.Net", "ZstdSharp.Port"]),
        ["Cluster.Collectives"] = (["Core"], ["System.IO.Hashing"]),
        ["Cluster.Inference"] = (["Core"], ["System.IO.Hashing"]),
        ["Cluster.Model"] = (["Core", "Inference"], ["TorchSharp"]),
        ["Cluster.Evaluation"] = (["Core"], []),
        ["Cluster.ServiceDefaults"] = (["Core"],
            ["OpenTelemetry.Exporter.OpenTelemetryProtocol", "OpenTelemetry.Exporter.Prometheus.AspNetCore", "OpenTelemetry.Extensions.Hosting",
                "OpenTelemetry.Instrumentation.AspNetCore", "OpenTelemetry.Instrumentation.Runtime", "StackExchange.Redis"]),
        ["Cluster.Silo"] = (["Collectives", "Contracts", "Core", "Data", "Evaluation", "Inference", "Model", "ServiceDefaults"],
            ["Microsoft.Orleans.Clustering.Redis", "Microsoft.Orleans.Persistence.Redis", "Microsoft.Orleans.Reminders.Redis", "Microsoft.Orleans.Server",
                "ScottPlot", "System.IO.Hashing"]),
        ["Cluster.Web"] = (["Contracts", "Core", "ServiceDefaults"], ["Microsoft.Orleans.Client", "Microsoft.Orleans.Clustering.Redis"]),
        ["Cluster.Cli"] = (["Collectives", "Contracts", "Core", "Data", "Evaluation", "Inference", "Model", "ServiceDefaults", "Silo", "Web"],
            ["CommandLineParser", "Microsoft.Garnet", "Spectre.Console", "System.CommandLine"]),
    };

    [Fact]
    public void Projects_References_AreThoseOfTheTable()
    {
        var projects = Directory.GetFiles(Path.Combine(s_root, "src"), "*.csproj", SearchOption.AllDirectories);
        Assert.Equal(s_allowed.Keys.Order(StringComparer.Ordinal), projects.Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));
        foreach (var path in projects)
        {
            var name = Path.GetFileNameWithoutExtension(path);
            var (allowedProjects, allowedPackages) = s_allowed[name];
            Assert.Equal(allowedProjects.Select(p => $"{name} → Cluster.{p}"), References(path, "ProjectReference").Select(r => $"{name} → {Path.GetFileNameWithoutExtension(r)}"));
            Assert.Equal(allowedPackages.Select(p => $"{name} → {p}"), References(path, "PackageReference").Select(r => $"{name} → {r}"));
        }
    }

    [Fact]
    public void TransitiveProjectReferences_AreDisabled()
    {
        var properties = XDocument.Load(Path.Combine(s_root, "Directory.Build.props"));
        Assert.Equal("true", properties.Descendants("DisableTransitiveProjectReferences").Single().Value);
    }

    [Fact]
    public void TestFilter_ListsEveryProjectButThoseOfTheAppHostAndPeers()
    {
        var filter = File.ReadAllText(Path.Combine(s_root, "tests", "Cluster.slnf"));
        var solution = File.ReadAllText(Path.Combine(s_root, "Cluster.sln"));
        foreach (var path in Directory.GetFiles(s_root, "*.csproj", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(s_root, path);
            var isAppHost = Path.GetFileNameWithoutExtension(path) is "Cluster.AppHost" or "Cluster.AppHost.Tests";
            // Run by hand beside other programs, whose libraries no build here fetches.
            var isPeer = relative.StartsWith("bench" + Path.DirectorySeparatorChar, StringComparison.Ordinal);
            Assert.True(
                isPeer != solution.Contains(relative.Replace('/', '\\'), StringComparison.Ordinal), $"{relative} is {(isPeer ? "" : "not ")}in Cluster.sln");
            Assert.Equal(!isAppHost && !isPeer, filter.Contains(relative.Replace("/", @"\\", StringComparison.Ordinal), StringComparison.Ordinal));
        }
    }

    private static IEnumerable<string> References(string project, string kind) => XDocument.Load(project)
        .Descendants(kind).Select(e => e.Attribute("Include")!.Value.Replace('\\', '/')).Order(StringComparer.Ordinal);

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Cluster.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("no Cluster.sln above the test's output");
        return folder;
    }
}
