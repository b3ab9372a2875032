using System.Diagnostics;
using System.Text.Json;

namespace Cluster.AppHost.Tests;

/// <summary>What the app host writes for tools that deploy.</summary>
public sealed class PublishTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-publish-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Manifest_OfTheDefaults_HasTheTopology()
    {
        var resources = await PublishAsync("--Recipe=demo");

        Assert.Equal(
            ["container.v0 grafana", "container.v0 prometheus", "container.v0 redis",
                "project.v0 silo-0", "project.v0 silo-1", "project.v0 silo-2", "project.v0 train", "project.v0 web"],
            resources.EnumerateObject().Select(one => $"{Text(one.Value, "type")} {one.Name}")
                .Where(one => one.StartsWith("container", StringComparison.Ordinal) || one.StartsWith("project", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal));
        Assert.Equal(
            ["train", "--cluster", "--resume", "--out", "/runs/aspire", "--recipe", "demo"],
            resources.GetProperty("train").GetProperty("args").EnumerateArray().Select(one => one.GetString()));
        foreach (var name in (string[])["prometheus", "grafana"])
        {
            foreach (var mount in resources.GetProperty(name).GetProperty("bindMounts").EnumerateArray())
                Assert.True(Directory.Exists(Path.GetFullPath(mount.GetProperty("source").GetString()!, _folder)), mount.ToString());
        }
    }

    [Fact]
    public async Task Manifest_Processes_CanBeReachedInContainers()
    {
        var resources = await PublishAsync("--Silos=1", "--Roles=inference", "--Gpu=required");

        var silo = resources.GetProperty("silo-0").GetProperty("env");
        Assert.Equal("{silo-0.bindings.http.targetPort}", Text(silo, "Cluster__HttpPort"));
        Assert.Equal("0.0.0.0", Text(silo, "Cluster__HttpAddress"));
        Assert.Equal(("inference", "required"), (Text(silo, "Cluster__Roles"), Text(silo, "Cluster__Gpu")));
        // This machine's folders and its loopback are none of a container's.
        Assert.Equal("/runs", Text(silo, "Cluster__RunsPath"));
        Assert.False(silo.TryGetProperty("Orleans__Endpoints__AdvertisedIPAddress", out _));
        var web = resources.GetProperty("web").GetProperty("env");
        Assert.Equal(("0.0.0.0", "*"), (Text(web, "Cluster__WebAddress"), Text(web, "AllowedHosts")));
        foreach (var env in (JsonElement[])[silo, web])
        {
            Assert.Equal("{redis.connectionString}", Text(env, "ConnectionStrings__redis"));
            Assert.Equal("{cluster-cluster-id.value}", Text(env, "Orleans__ClusterId"));
        }

        var targets = Repository.Read("Cluster.AppHost", "obj", "prometheus", "prometheus-targets.json");
        Assert.Contains("\"silo-0:8100\"", targets, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Manifest_Variables_AreThoseThatPodsHave()
    {
        var pods = Repository.Read("k8s", "base", "silo.yaml") + Repository.Read("k8s", "base", "web.yaml");

        var names = (await PublishAsync()).EnumerateObject().Where(one => one.Value.TryGetProperty("env", out _))
            .SelectMany(one => one.Value.GetProperty("env").EnumerateObject()).Select(variable => variable.Name)
            .Where(name => name.StartsWith("Cluster__", StringComparison.Ordinal)).Distinct().ToList();

        Assert.Contains("Cluster__SiloName", names);
        Assert.All(names, name => Assert.Contains($"- name: {name}\n", pods, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Manifest_WithoutContainers_TakesAnyRedis()
    {
        var resources = await PublishAsync("--Containers=false", "--Silos=1");

        Assert.Equal("{redis.value}", resources.GetProperty("redis").GetProperty("connectionString").GetString());
        Assert.Equal(
            ["silo-0", "web"],
            resources.EnumerateObject().Where(one => Text(one.Value, "type") is "project.v0" or "container.v0").Select(one => one.Name));
    }

    [Theory]
    [InlineData("--Silos=none", "Silos is \"none\". Give a number from 1 to 100.")]
    [InlineData("--WebPort=0", "WebPort is \"0\". Give a number from 1 to 65535.")]
    public async Task Settings_OfNoUse_AreNamed(string argument, string message)
    {
        var (code, text) = await RunAsync(argument);

        Assert.NotEqual(0, code);
        Assert.Contains(message, text, StringComparison.Ordinal);
    }

    [Fact]
    public void Program_Size_IsAScreen() => Assert.InRange(Repository.Read("Cluster.AppHost", "AppHost.cs").Split('\n').Length, 1, 70);

    private async Task<JsonElement> PublishAsync(params IEnumerable<string> arguments)
    {
        var (code, text) = await RunAsync(arguments);
        Assert.True(code == 0, text);
        using var manifest = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(_folder, "manifest.json")));
        return manifest.RootElement.GetProperty("resources").Clone();
    }

    /// <summary>The program, as the Aspire CLI runs it.</summary>
    private async Task<(int Code, string Text)> RunAsync(params IEnumerable<string> arguments)
    {
        var manifest = Path.Combine(_folder, "manifest.json");
        var program = typeof(Projects.Cluster_AppHost).Assembly.Location;
        var start = new ProcessStartInfo(
            "dotnet", [program, "--operation", "publish", "--publisher", "manifest", "--output-path", manifest, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync())
            .WaitAsync(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync();
        return (process.ExitCode, string.Concat(texts));
    }

    private static string? Text(JsonElement env, string name) => env.GetProperty(name).GetString();
}
