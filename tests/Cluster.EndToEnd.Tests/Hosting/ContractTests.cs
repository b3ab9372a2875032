using Cluster.ServiceDefaults;
using StackExchange.Redis;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>Processes with the variables that others than <c>cluster up</c> set, and a real Redis.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class ContractTests
{
    [RedisFact]
    public async Task Aspire_ItsVariables_MakeACluster()
    {
        await using var store = await TestStore.RedisAsync();
        var client = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Orleans__Clustering__ProviderType"] = "Redis",
            ["Orleans__Clustering__ServiceKey"] = "redis",
            ["Orleans__ClusterId"] = "aspire",
            ["Orleans__ServiceId"] = "aspire",
            ["Orleans__EnableDistributedTracing"] = "true",
            ["ConnectionStrings__redis"] = store.Address,
            ["OTEL_SERVICE_NAME"] = "cluster",
        };
        var silo = new Dictionary<string, string?>(client, StringComparer.Ordinal)
        {
            ["Orleans__GrainStorage__Default__ProviderType"] = "Redis",
            ["Orleans__GrainStorage__Default__ServiceKey"] = "redis",
            ["Orleans__Reminders__ProviderType"] = "Redis",
            ["Orleans__Reminders__ServiceKey"] = "redis",
            ["Orleans__Endpoints__SiloPort"] = $"{Ports.Free()}",
            ["Orleans__Endpoints__GatewayPort"] = $"{Ports.Free()}",
            // The AppHost's own.
            ["Orleans__Endpoints__AdvertisedIPAddress"] = "127.0.0.1",
            ["Cluster__SiloName"] = "silo-0",
            ["Cluster__Roles"] = "training,inference,data",
        };

        await CheckAsync(silo, client, "silo-0");
    }

    [RedisFact]
    public async Task Kubernetes_ItsVariables_MakeACluster()
    {
        await using var store = await TestStore.RedisAsync();
        var shared = new Dictionary<string, string?>(Variables("cluster.env"), StringComparer.Ordinal);
        // With a password, as there.
        await using (var redis = await ConnectionMultiplexer.ConnectAsync(store.Address + ",allowAdmin=true"))
            await redis.GetServers().Single().ConfigSetAsync("requirepass", "secret");
        shared["ConnectionStrings__redis"] = $"{store.Address},password=secret";
        var silo = new Dictionary<string, string?>(shared.Concat(Variables("silo.env")), StringComparer.Ordinal)
        {
            ["Orleans__Endpoints__AdvertisedIPAddress"] = "127.0.0.1",
            ["Orleans__Endpoints__SiloPort"] = $"{Ports.Free()}",
            ["Orleans__Endpoints__GatewayPort"] = $"{Ports.Free()}",
            ["Cluster__SiloName"] = "silo-0",
            ["Cluster__DataPlaneAddress"] = "127.0.0.1",
            ["Cluster__Roles"] = "training,inference,data",
            ["Cluster__RunsPath"] = Path.GetTempPath(),
            ["Cluster__HttpPort"] = $"{Ports.Free()}",
            ["Cluster__HttpAddress"] = "0.0.0.0",
        };

        await CheckAsync(silo, new Dictionary<string, string?>(shared, StringComparer.Ordinal) { ["AllowedHosts"] = "*", ["Cluster__WebAddress"] = "0.0.0.0" }, "silo-0");
    }

    private static async Task CheckAsync(Dictionary<string, string?> siloVariables, Dictionary<string, string?> client, string name)
    {
        var port = Ports.Free();
        await using var silo = LineProcess.Cluster(siloVariables, "silo");
        await silo.WaitForAsync($"{name} is up at");
        await using var web = LineProcess.Cluster(new Dictionary<string, string?>(client, StringComparer.Ordinal) { ["Cluster__WebPort"] = $"{port}" }, "web");
        await web.WaitForAsync("web is up at");

        // As a probe asks: by address.
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.True((await http.GetAsync(new Uri("/alive", UriKind.Relative))).IsSuccessStatusCode);
        Assert.True((await http.GetAsync(new Uri("/health", UriKind.Relative))).IsSuccessStatusCode);
        Assert.Contains("\"runs\"", await http.GetStringAsync(new Uri("/api/runs", UriKind.Relative)), StringComparison.Ordinal);

        // A verb in the same environment finds the cluster without a folder of `up`.
        await using var verb = LineProcess.Cluster(client, "pause", "nothing");
        Assert.Equal(1, await verb.Exited.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Contains("No stage of a run \"nothing\" is being trained.", await verb.RestAsync(), StringComparison.Ordinal);

        var ends = await Task.WhenAll(web.EndAsync(), silo.EndAsync());
        Assert.Equal([0, 0], ends);
    }

    private static IEnumerable<KeyValuePair<string, string?>> Variables(string file) =>
        File.ReadLines(Repository.Path("k8s", "base", file)).Where(line => line.Contains('=', StringComparison.Ordinal) && line[0] != '#')
            .Select(line => line.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], (string?)pair[1]));
}
