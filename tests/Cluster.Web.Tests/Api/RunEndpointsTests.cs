using System.Net;
using System.Text.Json;
using Cluster.Core.Runs;
using Cluster.Web.Tests.Hosting;

namespace Cluster.Web.Tests.Api;

[Collection(LiveClusterCollection.Name)]
public class RunEndpointsTests(LiveCluster cluster)
{
    [Fact]
    public async Task List_TwoRuns_NewestFirstOnceEach()
    {
        await cluster.ReportAsync("list-old");
        await cluster.ReportAsync("list-new");
        await cluster.ReportAsync("list-old");

        using var answer = await Get("/api/runs", HttpStatusCode.OK);

        var names = answer.RootElement.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("run").GetString()!);
        Assert.Equal(["list-new", "list-old"], names.Where(name => name.StartsWith("list-", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Status_ReportedRun_SnakeCase()
    {
        await cluster.ReportAsync("a run with ü & \"quotes\"");

        var text = await cluster.Http.GetStringAsync("/api/runs/a%20run%20with%20%C3%BC%20%26%20%22quotes%22");

        Assert.Equal(
            """{"run":"a run with ü & \"quotes\"","state":"running","stage":"pretraining","fraction":0.25,"message":"step 30 of 120","parameters":3100000,"total_steps":120}""",
            text);
    }

    [Fact]
    public async Task Metrics_AfterNext_OnlyNewLinesUntouched()
    {
        string first = """{"stage":"pretraining","step":1,"loss":9.0}""", second = """{"stage":"pretraining","step":2,"loss":8.5}""";
        var grain = await cluster.ReportAsync("metrics", [first]);

        Assert.Equal($$"""{"lines":[{{first}}],"next":1}""", await cluster.Http.GetStringAsync("/api/runs/metrics/metrics"));
        await grain.AppendMetricsAsync([second]);
        Assert.Equal($$"""{"lines":[{{second}}],"next":2}""", await cluster.Http.GetStringAsync("/api/runs/metrics/metrics?after=1"));
        Assert.Equal("""{"lines":[],"next":2}""", await cluster.Http.GetStringAsync("/api/runs/metrics/metrics?after=2"));
    }

    [Fact]
    public async Task Metrics_AfterBeyondTheEnd_NextIsTheEnd()
    {
        await cluster.ReportAsync("beyond", ["{}"]);

        Assert.Equal("""{"lines":[],"next":1}""", await cluster.Http.GetStringAsync("/api/runs/beyond/metrics?after=900"));
    }

    [Fact]
    public async Task Metrics_DamagedLine_OthersAreServed()
    {
        await cluster.ReportAsync("damaged", ["""{"step":1}""", """{"step":2""", """{"step":3}],"next":0}""", """{"step":4}"""]);

        Assert.Equal("""{"lines":[{"step":1},{"step":4}],"next":4}""", await cluster.Http.GetStringAsync("/api/runs/damaged/metrics"));
    }

    [Fact]
    public async Task Samples_HostileText_PassedThrough()
    {
        var line = RunJson.Line(new Sample(StageNames.Pretraining, 5, 1.5, "The", "</script>\u2028\"\\ ü"));
        await cluster.ReportAsync("samples", samples: [line]);

        using var answer = await Get("/api/runs/samples/samples?after=0", HttpStatusCode.OK);

        Assert.Equal("</script>\u2028\"\\ ü", answer.RootElement.GetProperty("lines")[0].GetProperty("text").GetString());
        Assert.Equal(1, answer.RootElement.GetProperty("next").GetInt64());
    }

    [Theory]
    [InlineData("/api/runs/unknown")]
    [InlineData("/api/runs/unknown/metrics")]
    [InlineData("/api/runs/unknown/samples?after=3")]
    public async Task Get_UnknownRun_NotFoundProblem(string path)
    {
        using var answer = await Get(path, HttpStatusCode.NotFound);

        Assert.Equal("No run is called \"unknown\".", answer.RootElement.GetProperty("title").GetString());
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("x")]
    [InlineData("1.5")]
    [InlineData("99999999999999999999")]
    [InlineData("")]
    public async Task Lines_BadAfter_BadRequestProblem(string after)
    {
        await cluster.ReportAsync("bad-after");
        foreach (var kind in new[] { "metrics", "samples" })
        {
            using var answer = await Get($"/api/runs/bad-after/{kind}?after={after}", HttpStatusCode.BadRequest);
            Assert.Equal($"after is \"{after}\".", answer.RootElement.GetProperty("title").GetString());
        }
    }

    [Fact]
    public async Task Get_ForeignHostName_Refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/runs") { Headers = { Host = "attacker.example" } };

        Assert.Equal(HttpStatusCode.BadRequest, (await cluster.Http.SendAsync(request)).StatusCode);
    }

    private async Task<JsonDocument> Get(string path, HttpStatusCode expected)
    {
        using var answer = await cluster.Http.GetAsync(path);
        Assert.Equal(expected, answer.StatusCode);
        Assert.Equal(expected == HttpStatusCode.OK ? "application/json" : "application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
    }
}
