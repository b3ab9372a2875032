using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.ServiceDefaults;
using StackExchange.Redis;

namespace Cluster.AppHost.Tests;

/// <summary>The app host as it is run, by Aspire's own orchestrator, where there is no container engine.</summary>
public sealed partial class RunTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-apphost-").FullName;
    private readonly int _siloPort = TwoPorts(), _webPort = Ports.Free();

    private string Runs => Path.Combine(_folder, "runs");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [RedisFact]
    public async Task Cluster_OnARedisThatRuns_TrainsServesAndLeaves()
    {
        await using var redis = await RedisServer.StartAsync();
        var weights = "";
        await using (var app = await StartAsync(
            "--Silos=2", $"--ConnectionStrings:redis={redis.Address}", $"--Recipe={WriteRecipe()}", $"--Corpus={WriteCorpus()}"))
        {
            var silos = new[] { await HealthyAsync(app, "silo-0"), await HealthyAsync(app, "silo-1") };
            var web = await HealthyAsync(app, "web");
            var train = await EndAsync(app, "train");
            Assert.Equal(0, train.ExitCode);

            // Two silos gave a replica each, and what is served is what they came to.
            using var summary = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Runs, "aspire", "summary.json")));
            Assert.Equal(20, summary.RootElement.GetProperty("steps").GetInt32());
            Assert.Equal(2, summary.RootElement.GetProperty("replicas").GetInt32());
            weights = summary.RootElement.GetProperty("weights_sha256").GetString()!;
            using var http = new HttpClient { Timeout = s_limit };
            using var answer = await http.PostAsJsonAsync(
                At(_webPort, "v1/completions"), new { model = "aspire", prompt = "the model", max_tokens = 4, temperature = 0 });
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.IsSuccessStatusCode, text);
            using var completion = JsonDocument.Parse(text);
            Assert.Equal("fp_" + weights[..12], completion.RootElement.GetProperty("system_fingerprint").GetString());
            Assert.Equal(4, completion.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

            await CheckMetricsAsync(http);
            CheckVariables(silos, web, train, redis.Address);
        }

        // All have said farewell: nobody is left who could have declared the last one dead.
        await using var connection = await ConnectionMultiplexer.ConnectAsync(redis.Address);
        await UntilAsync(async () => (await StatusesAsync(connection)) is ["6", "6"]);
        await UntilAsync(() => Task.FromResult(new[] { _siloPort, _siloPort + 1, _webPort }.All(Ports.IsFree)));
    }

    [Fact]
    public async Task Cluster_WithoutContainersAndRedis_HasAStoreOfItsOwn()
    {
        var storePort = Ports.Free();
        await using (var app = await StartAsync("--Silos=1", $"--StorePort={storePort}"))
        {
            var silo = await HealthyAsync(app, "silo-0");
            var web = await HealthyAsync(app, "web");
            Assert.All([silo, web], process => Assert.Equal($"127.0.0.1:{storePort}", Variables(process)["ConnectionStrings__redis"]));
        }

        await UntilAsync(() => Task.FromResult(new[] { _siloPort, _webPort, storePort }.All(Ports.IsFree)));
    }

    private async Task<DistributedApplication> StartAsync(params IEnumerable<string> arguments)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.Cluster_AppHost>(
            ["--Containers=false", $"--SiloPort={_siloPort}", $"--WebPort={_webPort}", $"--Runs={Runs}", .. arguments]);
        var app = await builder.BuildAsync();
        try
        {
            await app.StartAsync().WaitAsync(s_limit);
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    private static async Task<CustomResourceSnapshot> HealthyAsync(DistributedApplication app, string name)
    {
        var healthy = await app.ResourceNotifications
            .WaitForResourceHealthyAsync(name, WaitBehavior.StopOnResourceUnavailable).WaitAsync(s_limit);
        return healthy.Snapshot;
    }

    private static async Task<CustomResourceSnapshot> EndAsync(DistributedApplication app, string name)
    {
        var ended = await app.ResourceNotifications
            .WaitForResourceAsync(name, one => KnownResourceStates.TerminalStates.Contains(one.Snapshot.State?.Text)).WaitAsync(s_limit);
        return ended.Snapshot;
    }

    private async Task CheckMetricsAsync(HttpClient http)
    {
        using var targets = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Runs, ".cluster", "prometheus-targets.json")));
        var processes = targets.RootElement.EnumerateArray().ToDictionary(
            one => one.GetProperty("labels").GetProperty("process").GetString()!,
            one => one.GetProperty("targets")[0].GetString(),
            StringComparer.Ordinal);
        Assert.Equal(
            new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["silo-0"] = $"127.0.0.1:{_siloPort}",
                ["silo-1"] = $"127.0.0.1:{_siloPort + 1}",
                ["web"] = $"127.0.0.1:{_webPort}",
            },
            processes);
        foreach (var address in processes.Values)
            Assert.Contains("# TYPE orleans_", await http.GetStringAsync(new Uri($"http://{address}/metrics")), StringComparison.Ordinal);
    }

    private void CheckVariables(CustomResourceSnapshot[] silos, CustomResourceSnapshot web, CustomResourceSnapshot train, string redis)
    {
        var ids = Variables(web).Where(pair => pair.Key is "Orleans__ClusterId" or "Orleans__ServiceId").ToList();
        Assert.All(ids, pair => Assert.NotEqual("", pair.Value));
        var client = new SortedDictionary<string, string?>(new Dictionary<string, string?>(ids)
        {
            ["ConnectionStrings__redis"] = redis,
            ["Orleans__Clustering__ProviderType"] = "Redis",
            ["Orleans__Clustering__ServiceKey"] = "redis",
            ["Orleans__EnableDistributedTracing"] = "true",
        }, StringComparer.Ordinal);
        Assert.Equal(client, Variables(train));
        Assert.Equal(
            new SortedDictionary<string, string?>(client, StringComparer.Ordinal)
            {
                ["AllowedHosts"] = "localhost;127.0.0.1",
                ["Cluster__WebAddress"] = "127.0.0.1",
                ["Cluster__WebPort"] = Text(_webPort),
            },
            Variables(web));
        var ports = new HashSet<string?>();
        for (var i = 0; i < silos.Length; i++)
        {
            var variables = Variables(silos[i]);
            foreach (var key in (string[])["Orleans__Endpoints__SiloPort", "Orleans__Endpoints__GatewayPort"])
            {
                var isOwn = variables.Remove(key, out var port) && ports.Add(port) && ushort.TryParse(port, out _);
                Assert.True(isOwn, $"{key} of silo-{i} is {port}");
            }

            Assert.Equal(
                new SortedDictionary<string, string?>(client, StringComparer.Ordinal)
                {
                    ["Cluster__Gpu"] = "optional",
                    ["Cluster__HttpAddress"] = "127.0.0.1",
                    ["Cluster__HttpPort"] = Text(_siloPort + i),
                    ["Cluster__Roles"] = "training,inference,data",
                    ["Cluster__RunsPath"] = Runs,
                    ["Cluster__SiloName"] = $"silo-{i}",
                    ["Orleans__Endpoints__AdvertisedIPAddress"] = "127.0.0.1",
                    ["Orleans__GrainStorage__Default__ProviderType"] = "Redis",
                    ["Orleans__GrainStorage__Default__ServiceKey"] = "redis",
                    ["Orleans__Reminders__ProviderType"] = "Redis",
                    ["Orleans__Reminders__ServiceKey"] = "redis",
                },
                variables);
        }
    }

    /// <summary>Those that the process was started with and reads, but for telemetry.</summary>
    private static SortedDictionary<string, string?> Variables(CustomResourceSnapshot process)
    {
        Assert.DoesNotContain(process.EnvironmentVariables, variable => variable is { IsFromSpec: true, Name: "OTEL_TRACES_SAMPLER" });
        return new(process.EnvironmentVariables.Where(variable => variable.IsFromSpec && Own().IsMatch(variable.Name))
            .ToDictionary(variable => variable.Name, variable => variable.Value), StringComparer.Ordinal);
    }

    private static async Task<List<string>> StatusesAsync(ConnectionMultiplexer connection)
    {
        var statuses = new List<string>();
        foreach (var key in connection.GetServers().Single().Keys(pattern: "*/members/*"))
        {
            foreach (var field in await connection.GetDatabase().HashGetAllAsync(key))
                statuses.AddRange(Status().Matches(field.Value.ToString()).Select(match => match.Groups[1].Value));
        }

        return statuses;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!await condition())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private string WriteRecipe()
    {
        var path = Path.Combine(_folder, "recipe.json");
        File.WriteAllText(path, """
            {
              "name": "tiny",
              "tokenizer": { "vocabulary": 300 },
              "model": { "layers": 2, "width": 32, "heads": 2, "context": 32, "feed_forward": 64 },
              "training": { "steps": 20, "lanes": 2, "micro_batch": 2, "evaluation_tokens": 512 }
            }
            """);
        return path;
    }

    private string WriteCorpus()
    {
        var path = Path.Combine(_folder, "corpus.txt");
        var words = "the model reads text and learns a word after another until training ends with grain token".Split(' ');
        var random = new Random(1);
        File.WriteAllLines(path, Enumerable.Range(0, 200).Select(_ => string.Join(' ', random.GetItems(words, 60)) + ".\n"));
        return path;
    }

    private static Uri At(int port, string path) => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/{path}"));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The first of two free ports side by side.</summary>
    private static int TwoPorts()
    {
        while (true)
        {
            var port = Ports.Free();
            if (Ports.IsFree(port + 1) && Ports.Free() == port + 1)
                return port;
        }
    }

    [GeneratedRegex("^(Orleans__|Cluster__|ConnectionStrings__|AllowedHosts$)")]
    private static partial Regex Own();

    [GeneratedRegex("\"Status\":(\\d+)")]
    private static partial Regex Status();
}
