using System.Net;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Runs;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>Health and metrics of the silos that <c>up</c> runs, and what Prometheus is told of them.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class SiloHttpTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly string _runs = Directory.CreateTempSubdirectory("cluster-http-").FullName;
    private readonly HttpClient _http = new();

    private ClusterState State => new ClusterFolder(_runs).Running("cluster");

    public void Dispose()
    {
        _http.Dispose();
        Directory.Delete(_runs, recursive: true);
    }

    [Fact]
    public async Task Up_SilosServeHealthAndMetrics_TargetsFollowThem()
    {
        await using var up = LineProcess.Cluster("up", "--silos", "2", "--runs", _runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = State;
        var addresses = state.Silos.ToDictionary(silo => silo.Name, silo => new Uri(silo.Http!));
        Assert.Equal(Targets(addresses["silo-1"], addresses["silo-2"], new Uri(state.Web!)), ReadTargets());
        foreach (var address in addresses.Values)
        {
            Assert.True(IPAddress.IsLoopback(IPAddress.Parse(address.Host)));
            Assert.Equal("Healthy", await _http.GetStringAsync(new Uri(address, "/alive")));
            Assert.Equal("Healthy\nsilo: Healthy", await _http.GetStringAsync(new Uri(address, "/health")));
            Assert.Contains("dotnet_", await _http.GetStringAsync(new Uri(address, "/metrics")), StringComparison.Ordinal);
        }

        var (listed, list) = await LineProcess.RunAsync("silo", "list", "--json", "--runs", _runs);
        Assert.True(listed == 0, list);
        Assert.Equal(
            addresses.Values.Select(address => address.AbsoluteUri),
            RunJson.Parse<List<SiloStatusEntry>>(list, "silo list").OrderBy(silo => silo.Name, StringComparer.Ordinal).Select(silo => silo.Http));

        // Whoever died is asked on, so that it is missed; whoever left is not.
        await LineProcess.RunAsync("silo", "kill", "1", "--runs", _runs);
        await up.WaitForAsync("silo-1 was killed");
        Assert.Equal(Targets(addresses["silo-1"], addresses["silo-2"], new Uri(state.Web!)), ReadTargets().Order(StringComparer.Ordinal));
        await LineProcess.RunAsync("silo", "drain", "2", "--runs", _runs);
        await up.WaitForAsync("silo-2 has left");
        Assert.DoesNotContain(ReadTargets(), target => target.StartsWith("silo-2", StringComparison.Ordinal));

        Posix.Terminate(up.Pid);
        Assert.Equal(0, await up.Exited.WaitAsync(s_limit));
        Assert.False(File.Exists(new ClusterFolder(_runs).MetricsTargets));
    }

    [Fact]
    public async Task Health_StoreHangs_NotReadyUntilItAnswers()
    {
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--runs", _runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var health = new Uri(new Uri(State.Silos.Single().Http!), "/health");
        var store = State.Others.Single(process => process.Name == "store").Process.Pid;

        Posix.Stop(store);
        try
        {
            using var answer = await _http.GetAsync(health);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Contains("does not answer", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        finally
        {
            Posix.Continue(store);
        }

        using var limit = new CancellationTokenSource(s_limit);
        while (!(await _http.GetAsync(health, limit.Token)).IsSuccessStatusCode)
            await Task.Yield();
        Posix.Terminate(up.Pid);
        Assert.Equal(0, await up.Exited.WaitAsync(s_limit));
    }

    private static string[] Targets(Uri first, Uri second, Uri web) => [$"silo-1 {first.Authority}", $"silo-2 {second.Authority}", $"web {web.Authority}"];

    private string[] ReadTargets() =>
    [
        .. RunJson.Parse<List<MetricsTarget>>(File.ReadAllText(new ClusterFolder(_runs).MetricsTargets), "targets")
            .Select(target => $"{target.Labels["process"]} {target.Targets.Single()}"),
    ];
}
