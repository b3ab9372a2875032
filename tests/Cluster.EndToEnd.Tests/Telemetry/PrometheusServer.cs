using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>A Prometheus of the test's own, on loopback, with this repository's configuration.</summary>
internal sealed class PrometheusServer : IAsyncDisposable
{
    private readonly LineProcess _process;
    private readonly HttpClient _http;

    private PrometheusServer(LineProcess process, int port) =>
        (_process, _http) = (process, new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/")) });

    /// <summary>Starts it.</summary>
    /// <param name="folder">For its files.</param>
    /// <param name="targets">The file that says whom to ask.</param>
    public static async Task<PrometheusServer> StartAsync(string folder, string targets)
    {
        // As it is committed, but asking more often, and where this test's cluster is.
        var text = (await File.ReadAllTextAsync(Repository.Path("infra", "prometheus", "prometheus.yml")))
            .Replace("5s", "1s", StringComparison.Ordinal)
            .Replace("../../runs/.cluster/prometheus-targets.json", targets, StringComparison.Ordinal)
            .Replace("rules/*.yml", Repository.Path("infra", "prometheus", "rules", "*.yml"), StringComparison.Ordinal);
        Directory.CreateDirectory(folder);
        var config = Path.Combine(folder, "prometheus.yml");
        await File.WriteAllTextAsync(config, text);
        var port = Ports.Free();
        var process = LineProcess.Start(
            PrometheusFactAttribute.Server!, $"--config.file={config}", $"--storage.tsdb.path={Path.Combine(folder, "data")}",
            string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}"));
        await process.WaitForAsync("Server is ready to receive web requests");
        return new PrometheusServer(process, port);
    }

    /// <summary>Every name that there is.</summary>
    public async Task<HashSet<string>> NamesAsync()
    {
        var answer = await _http.GetFromJsonAsync<JsonElement>("api/v1/label/__name__/values");
        return [.. answer.GetProperty("data").EnumerateArray().Select(name => name.GetString()!)];
    }

    /// <summary>Numbers, over all series and all seconds since a time, that a query comes to; NaN is none.</summary>
    public async Task<int> CountAsync(string query, DateTimeOffset since) => (await LookAsync(query, since)).Count;

    /// <summary>The same, and whether a series among them has two different numbers.</summary>
    public async Task<(int Count, bool Changes)> LookAsync(string query, DateTimeOffset since)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["query"] = query,
            ["start"] = Seconds(since),
            ["end"] = Seconds(DateTimeOffset.UtcNow),
            ["step"] = "1",
        });
        using var answer = await _http.PostAsync("api/v1/query_range", form);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{query}\n{text}");
        using var json = JsonDocument.Parse(text);
        var series = json.RootElement.GetProperty("data").GetProperty("result").EnumerateArray()
            .Select(one => one.GetProperty("values").EnumerateArray().Select(value => value[1].GetString()!).Where(value => value != "NaN").ToList()).ToList();
        return (series.Sum(values => values.Count), series.Exists(values => values.Distinct(StringComparer.Ordinal).Count() > 1));
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _process.DisposeAsync();
    }

    private static string Seconds(DateTimeOffset time) => (time.ToUnixTimeMilliseconds() / 1000.0).ToString("0.000", CultureInfo.InvariantCulture);
}
