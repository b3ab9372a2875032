using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Cluster.Core.Errors;
using Cluster.Web.Api.OpenAi;
using Microsoft.Extensions.Configuration;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>Keys, rates, queues.</summary>
public sealed class LimitsTests(StrictCluster cluster) : IClassFixture<StrictCluster>
{
    [Fact]
    public async Task Post_KeysAndRates_EachKeyHasItsOwn()
    {
        const string body = """{"model":"tiny","prompt":"a","max_tokens":1}""";
        using var nobody = await SendAsync(null, body);
        await OpenAiEndpointsTests.AssertError(nobody, HttpStatusCode.Unauthorized, null, "No valid API key was given.");
        using var wrong = await SendAsync("four", body);
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);

        for (var i = 0; i < 4; i++)
        {
            using var within = await SendAsync("two", body);
            Assert.Equal(HttpStatusCode.OK, within.StatusCode);
        }

        using var beyond = await SendAsync("two", body);
        await OpenAiEndpointsTests.AssertError(beyond, HttpStatusCode.TooManyRequests, null, "More than 4 requests in a minute.");
        Assert.InRange(beyond.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        using var other = await SendAsync("three", body);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        using var large = await SendAsync("three", new string(' ', 2_001));
        await OpenAiEndpointsTests.AssertError(large, HttpStatusCode.RequestEntityTooLarge, null, "The body is larger than 2000 bytes.");
    }

    [Fact]
    public async Task Post_QueueFull_TooManyRequestsWithRetryAfter()
    {
        const string body = """{"model":"long","prompt":"a","max_tokens":32000,"ignore_eos":true}""";
        using var end = new CancellationTokenSource();
        var running = SendAsync("one", body, end.Token);
        await cluster.UntilAsync("long", load => load.Running == 1);
        var waiting = SendAsync("one", body, end.Token);
        await cluster.UntilAsync("long", load => load.Waiting == 1);

        using var refused = await SendAsync("one", body);

        await OpenAiEndpointsTests.AssertError(refused, HttpStatusCode.TooManyRequests, null, "1 requests are waiting and at most 1 may. Try again later.");
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter!.Delta);
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await cluster.UntilAsync("long", load => load is { Running: 0, Waiting: 0 } && load.FreeBlocks == load.Blocks);
    }

    [Theory]
    [InlineData("MaxBodyBytes", "1", 1_024, 1 << 30)]
    [InlineData("RequestsPerMinute", "-1", 0, 1_000_000)]
    public void Options_ValueOfNoUse_NamesKeyAndRange(string name, string value, int least, int most)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new($"Cluster:Api:{name}", value)]).Build();

        var error = Assert.Throws<UserErrorException>(() => ApiOptions.Of(configuration));

        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"Cluster:Api:{name} is \"{value}\". Give a whole number from {least} to {most}."), error.Message);
    }

    private async Task<HttpResponseMessage> SendAsync(string? key, string body, CancellationToken cancellation = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = OpenAiEndpointsTests.Json(body) };
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return await cluster.Http.SendAsync(request, cancellation);
    }
}
