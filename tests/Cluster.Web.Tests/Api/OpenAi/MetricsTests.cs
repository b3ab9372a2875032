using System.Globalization;
using System.Net.Http.Headers;
using Cluster.Silo.Tests.Inference;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>The page of metrics after a few requests.</summary>
public sealed class MetricsTests(CountedCluster cluster) : IClassFixture<CountedCluster>
{
    [Fact]
    public async Task Metrics_AfterRequests_OurNamesAndVllms()
    {
        // Meters of other tests' hosts are heard here too: only this one has a model of that name.
        TinyRun.Write(cluster.Runs, "counted");
        // 100 bytes and begin_of_text; the second request finds the blocks that are full.
        var body = $$"""{"model":"counted","prompt":"{{new string('x', 100)}}","max_tokens":8,"n":2,"ignore_eos":true,"seed":1}""";
        for (var i = 0; i < 2; i++)
        {
            using var answer = await cluster.Http.PostAsync("/v1/completions", OpenAiEndpointsTests.Json(body));
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        }

        var text = await cluster.Http.GetStringAsync("/metrics");
        var vllm = text.Split('\n').Where(line => line.StartsWith("vllm:", StringComparison.Ordinal)).ToDictionary(line => line[..line.LastIndexOf(' ')], line => line[(line.LastIndexOf(' ') + 1)..]);
        const string labels = "model_name=\"counted\",engine=\"silo/0\"";
        foreach (var (name, value) in ((string, string)[])
            [
                ("num_requests_running", "0"), ("num_requests_waiting", "0"), ("kv_cache_usage_perc", "0"), ("prefix_cache_queries_total", "404"),
                ("prompt_tokens_total", "404"), ("generation_tokens_total", "32"), ("num_preemptions_total", "0"),
                ("time_to_first_token_seconds_count", "4"), ("inter_token_latency_seconds_count", "28"), ("e2e_request_latency_seconds_count", "4"),
                ("request_queue_time_seconds_count", "4"),
            ])
        {
            Assert.Equal((name, value), (name, vllm[$"vllm:{name}{{{labels}}}"]));
        }

        Assert.InRange(int.Parse(vllm[$"vllm:prefix_cache_hits_total{{{labels}}}"], CultureInfo.InvariantCulture), 1, 404);
        Assert.Equal("4", vllm[$"vllm:request_success_total{{{labels},finished_reason=\"length\"}}"]);
        Assert.Equal("0", vllm[$"vllm:request_success_total{{{labels},finished_reason=\"abort\"}}"]);
        Assert.Equal("4", vllm[$"vllm:time_to_first_token_seconds_bucket{{{labels},le=\"+Inf\"}}"]);
        Assert.Contains("# TYPE vllm:prompt_tokens_total counter\n", text, StringComparison.Ordinal);

        Assert.Equal("32", Ours(text, "cluster_inference_tokens_out_total", "model=\"counted\""));
        Assert.Equal("404", Ours(text, "cluster_inference_tokens_in_total", "model=\"counted\""));
        Assert.Equal("0", Ours(text, "cluster_inference_requests_running", "model=\"counted\""));
        Assert.Equal("4", Ours(text, "cluster_inference_replies_total", "reason=\"length\"", "model=\"counted\""));
        Assert.Equal("4", Ours(text, "cluster_inference_time_to_first_token_seconds_count", "model=\"counted\""));
        Assert.Equal("28", Ours(text, "cluster_inference_inter_token_latency_seconds_count", "model=\"counted\""));
    }

    [Fact]
    public async Task Metrics_OpenMetrics_EndIsMarkedOnceAtTheEnd()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/openmetrics-text"));

        using var answer = await cluster.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();

        Assert.Equal("application/openmetrics-text", answer.Content.Headers.ContentType!.MediaType);
        Assert.EndsWith("# EOF\n", text, StringComparison.Ordinal);
        Assert.Equal(text.IndexOf("# EOF", StringComparison.Ordinal), text.LastIndexOf("# EOF", StringComparison.Ordinal));
        Assert.Contains("# TYPE vllm:prompt_tokens counter\n", text, StringComparison.Ordinal);
    }

    private static string Ours(string text, string name, params string[] tags)
    {
        var line = text.Split('\n').Single(line => line.StartsWith(name + "{", StringComparison.Ordinal) && tags.All(tag => line.Contains(tag, StringComparison.Ordinal)));
        return line[(line.LastIndexOf('}') + 1)..].Trim().Split(' ')[0];
    }
}
