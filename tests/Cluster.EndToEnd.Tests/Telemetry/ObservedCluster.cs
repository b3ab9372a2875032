using System.Net.Http.Json;
using System.Text.Json;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>
/// A cluster that does all that it can while it is watched: prepares data twice, trains, loses a silo, is given another, answers more than it
/// can at once. Prometheus scrapes it, where that is installed, and a collector gets what is sent.
/// </summary>
public sealed class ObservedCluster : IAsyncLifetime
{
    /// <summary>Steps from one that is traced to the next.</summary>
    public const int StepsPerTrace = 25;

    private const int Steps = 500, KillAt = 100, AddAt = 250, Askers = 12;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly SmallRun _run = new();
    private LineProcess? _up;

    internal OtlpReceiver Otlp { get; private set; } = null!;

    internal PrometheusServer? Prometheus { get; private set; }

    /// <summary>When it began.</summary>
    internal DateTimeOffset Since { get; } = DateTimeOffset.UtcNow;

    /// <summary>The run that was trained and is asked.</summary>
    internal RunSummary Trained { get; private set; } = null!;

    /// <summary>The trace in which the one chat was asked for, its caller's span there, and what was answered.</summary>
    internal (string Trace, string Span, JsonElement Answer) Chat { get; private set; }

    public async Task InitializeAsync()
    {
        Otlp = await OtlpReceiver.StartAsync();
        var runs = _run.Runs;
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Otlp.Address.AbsoluteUri.TrimEnd('/'),
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000",
            ["Cluster__Tracing__StepsPerTrace"] = $"{StepsPerTrace}",
            // So that some wait.
            ["Cluster__Inference__MaxRunning"] = "2",
        };
        _up = LineProcess.Cluster(environment, "up", "--silos", "2", "--runs", runs);
        await _up.WaitForAsync("Ctrl-C ends it");
        if (PrometheusFactAttribute.Server is not null)
            Prometheus = await PrometheusServer.StartAsync(Path.Combine(Path.GetDirectoryName(runs)!, "prometheus"), new ClusterFolder(runs).MetricsTargets);
        var state = new ClusterFolder(runs).Running("cluster");
        var host = new ClusterRunHost(state, "cluster");
        var happened = new HashSet<long>();
        Task<(int Code, string Text)>? adding = null;
        Trained = await host.RunAsync(_run.Request("watched", Steps, checkpointEvery: 100, evaluateEvery: 50), new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Loss is null || !happened.Add(point.Step))
                    return;
                if (point.Step == KillAt)
                    Posix.Kill(state.Silos.Single(silo => silo.Name == "silo-2").Process.Pid);
                else if (point.Step == AddAt)
                    adding = LineProcess.RunAsync("silo", "add", "--runs", runs);
            },
        }, null, CancellationToken.None);
        var (code, text) = await adding!;
        Assert.True(code == 0, text);
        // Some of the corpus again, in other tokens: counts that are there rise. Where the silo that had them is gone others come, so that it
        // may take a third time until a difference is seen.
        using var limit = new CancellationTokenSource(s_limit);
        for (var time = 1; ; time++)
        {
            var again = _run.Request($"again-{time}", steps: 20);
            var recipe = again.Recipe with { Corpus = again.Recipe.Corpus with { MaxBytes = 40_000 * time }, Tokenizer = again.Recipe.Tokenizer with { Vocabulary = 350 } };
            await host.RunAsync(again with { Recipe = recipe }, new QuietObserver(), null, limit.Token);
            if (Prometheus is null || (await Prometheus.LookAsync("sum by (step, direction) (cluster_data_io_bytes_total)", Since)).Changes)
                break;
        }

        await AskAsync(new Uri(state.Web!));
    }

    public async Task DisposeAsync()
    {
        if (_up is not null)
        {
            Assert.Equal(0, await _up.EndAsync());
            await _up.DisposeAsync();
        }

        if (Prometheus is not null)
            await Prometheus.DisposeAsync();
        await Otlp.DisposeAsync();
        _run.Dispose();
    }

    private async Task AskAsync(Uri web)
    {
        using var http = new HttpClient { BaseAddress = web, Timeout = s_limit };
        // The caller's own trace, as its client library would say.
        const string trace = "4bf92f3577b34da6a3ce929d0e0e4736", span = "00f067aa0ba902b7";
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions"))
        {
            request.Headers.Add("traceparent", $"00-{trace}-{span}-01");
            request.Content = JsonContent.Create(new { model = "watched", max_tokens = 8, messages = new[] { new { role = "user", content = "gadget" } } });
            using var answer = await http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.IsSuccessStatusCode, text);
            Chat = (trace, span, JsonDocument.Parse(text).RootElement.Clone());
        }

        if (Prometheus is null)
            return;
        // What is there for moments only has to be there while somebody looks.
        using var limit = new CancellationTokenSource(s_limit);
        string[] seldom =
        [
            "cluster_inference_requests_running > 0", "model:cluster_inference_requests_waiting:sum > 0", "cluster_inference_cache_use > 0", "sum(http_server_active_requests) > 4",
            "model:cluster_inference_time_to_first_token_seconds:p95_1m > 0",
        ];
        // And what is a rate has to be seen twice.
        const string rate = "histogram_quantile(0.95, sum by (le, model) (rate(cluster_inference_end_to_end_latency_seconds_bucket[1m])))";
        for (var round = 0; ; round++)
        {
            var prompt = round % 2 == 0 ? "The gadget3 number 3 turns the handle 4 times" : "Nobody has seen part 2 of the gadget fail";
            await Task.WhenAll(Enumerable.Range(0, Askers).Select(async asker =>
            {
                using var answer = await http.PostAsJsonAsync("/v1/completions", new { model = "watched", prompt, max_tokens = 24, seed = asker }, limit.Token);
                Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(limit.Token));
            }));
            var seen = await Task.WhenAll(seldom.Select(query => Prometheus.CountAsync(query, Since)));
            if (Array.TrueForAll(seen, count => count > 0) && (await Prometheus.LookAsync(rate, Since)).Changes)
                return;
        }
    }
}
