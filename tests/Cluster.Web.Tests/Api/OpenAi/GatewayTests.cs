using Cluster.Web.Tests.Hosting;
using Microsoft.AspNetCore.Builder;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>The web as a client of the cluster, as in a process of its own: every message passes the wire.</summary>
public sealed class GatewayTests(ServingCluster cluster) : IClassFixture<ServingCluster>, IAsyncLifetime
{
    private readonly HttpClient _http = new();
    private WebApplication? _app;

    public async Task InitializeAsync()
    {
        _app = WebProcess.Create(
            [$"--Cluster:WebPort={WebHost.FreePort()}", $"--Cluster:PrimaryGatewayPort={cluster.GatewayPort}", "--Cluster:Inference:VllmMetricNames=true"],
            out var address);
        await _app.StartAsync();
        _http.BaseAddress = address;
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _app!.StopAsync();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData("/v1/chat/completions", """
        {"model":"tiny","messages":[{"role":"system","content":"ä"},{"role":"user","content":"Hi"}],"n":2,"seed":-4,"max_tokens":20,"logprobs":true,
         "top_logprobs":2,"stop":["a","bc"],"stop_token_ids":[7],"logit_bias":{"5":1.5},"top_k":40,"min_p":0.01,"repetition_penalty":1.2}
        """)]
    [InlineData("/v1/completions", """{"model":"tiny","prompt":[[1,2],[3]],"seed":2,"max_tokens":20,"logprobs":1}""")]
    [InlineData("/tokenize", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/detokenize", """{"model":"tiny","tokens":[1,2,270]}""")]
    [InlineData("/v1/completions", """{"model":"tiny","prompt":"a","stop":[""]}""")]
    [InlineData("/v1/completions", """{"model":"nobody","prompt":"a"}""")]
    public async Task Post_ThroughTheGateway_AnswerAsFromInside(string path, string body)
    {
        using var outside = await _http.PostAsync(path, OpenAiEndpointsTests.Json(body));
        using var inside = await cluster.Http.PostAsync(path, OpenAiEndpointsTests.Json(body));

        Assert.Equal(inside.StatusCode, outside.StatusCode);
        Assert.Equal(await Facts(inside), await Facts(outside));

        // All but the answer's name and time.
        static async Task<string> Facts(HttpResponseMessage answer)
        {
            var node = System.Text.Json.Nodes.JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
            node.Remove("id");
            node.Remove("created");
            return node.ToJsonString();
        }
    }

    [Fact]
    public async Task Stream_ClientGoesAway_BlocksAreFreeAndFiguresSaySo()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = OpenAiEndpointsTests.Json("""{"model":"long","prompt":"Once","max_tokens":32000,"n":2,"stream":true,"ignore_eos":true}"""),
        };
        using (var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
            Assert.StartsWith("data: ", await reader.ReadLineAsync(), StringComparison.Ordinal);
        }

        await cluster.UntilAsync("long", load => load is { Ready: true, Running: 0, Waiting: 0 } && load.FreeBlocks == load.Blocks);
        var metrics = await _http.GetStringAsync("/metrics");
        Assert.Equal("vllm:request_success_total{model_name=\"long\",engine=\"silo/0\",finished_reason=\"abort\"} 2",
            metrics.Split('\n').FirstOrDefault(line => line.StartsWith("vllm:", StringComparison.Ordinal) && line.Contains("abort", StringComparison.Ordinal)));
        Assert.Contains("\"long\"", await _http.GetStringAsync("/v1/models"), StringComparison.Ordinal);
    }
}
