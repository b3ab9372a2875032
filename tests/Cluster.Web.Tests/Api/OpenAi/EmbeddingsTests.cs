using System.Buffers.Binary;
using System.ClientModel;
using System.Net;
using System.Text;
using System.Text.Json;
using Cluster.Core.Models;
using Cluster.Core.Runs;
using Cluster.Inference.Managed;
using Cluster.Silo.Inference;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Embeddings;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>/v1/embeddings, byte by byte and as the official client and Microsoft.Extensions.AI use it.</summary>
public sealed class EmbeddingsTests(ServingCluster cluster) : IClassFixture<ServingCluster>
{
    private const int Width = 32;

    [Fact]
    public async Task Embed_TextsOrIds_TheModelsMeanHiddenStateScaledToOne()
    {
        using var answer = await PostAsync("""{"model":"tiny","input":["Once","aä"],"user":"somebody"}""");

        var root = answer.RootElement;
        Assert.Equal(("list", "tiny"), (root.GetProperty("object").GetString(), root.GetProperty("model").GetString()));
        // begin_of_text and the bytes
        Assert.Equal("""{"prompt_tokens":9,"total_tokens":9}""", root.GetProperty("usage").GetRawText());
        var data = root.GetProperty("data").EnumerateArray().ToList();
        Assert.Equal([0, 1], data.Select(entry => entry.GetProperty("index").GetInt32()));
        Assert.All(data, entry => Assert.Equal("embedding", entry.GetProperty("object").GetString()));
        Assert.Equal(Expected("Once"), Values(data[0]));
        Assert.Equal(Expected("aä"), Values(data[1]));
        Assert.Equal(1, Values(data[0]).Sum(value => (double)value * value), 1e-6);

        var ids = string.Join(',', Ids("Once"));
        using var byIds = await PostAsync($$"""{"model":"tiny","input":[{{ids}}]}""");
        using var several = await PostAsync($$"""{"model":"tiny","input":[[{{ids}}],[5]],"encoding_format":"float"}""");
        Assert.Equal(Expected("Once"), Values(byIds.RootElement.GetProperty("data")[0]));
        Assert.Equal(Expected("Once"), Values(several.RootElement.GetProperty("data")[0]));
    }

    [Fact]
    public async Task Embed_ManyAtOnceWhileRepliesAreWritten_SameBitsAsAlone()
    {
        string[] texts = [.. Enumerable.Range(0, 60).Select(i => new string((char)('a' + i % 26), 1 + i * 37 % 250))];
        float[][] alone = [.. texts.Select(text => Expected(text))];
        var writing = Enumerable.Range(0, 4).Select(i => cluster.Http.PostAsync("/v1/completions", OpenAiEndpointsTests.Json(
            $$"""{"model":"tiny","prompt":"{{new string('b', 100 + i)}}","max_tokens":100,"ignore_eos":true}"""))).ToList();
        // The same twice, at the same time: what one of them leaves in the cache is not the other's.
        var both = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => PostAsync($$"""{"model":"tiny","input":{{JsonSerializer.Serialize(texts)}}}""")));
        foreach (var answer in both)
        {
            var data = answer.RootElement.GetProperty("data").EnumerateArray().ToList();
            for (var i = 0; i < texts.Length; i++)
                Assert.Equal(alone[i], Values(data[i]));
            answer.Dispose();
        }

        foreach (var reply in await Task.WhenAll(writing))
        {
            Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
            reply.Dispose();
        }

        await cluster.UntilAsync("tiny", load => load is { Running: 0, Waiting: 0 } && load.FreeBlocks == load.Blocks);
    }

    [Fact]
    public async Task Embed_DimensionsAndBase64_FirstValuesScaledToOne()
    {
        using var answer = await PostAsync("""{"model":"tiny","input":"Once","dimensions":8,"encoding_format":"base64"}""");

        var bytes = answer.RootElement.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
        float[] values = [.. Enumerable.Range(0, 8).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i)))];
        Assert.Equal(32, bytes.Length);
        Assert.Equal(Expected("Once", 8), values);
    }

    [Fact]
    public async Task OfficialClient_SeveralTexts_SameVectorsAndUsage()
    {
        var client = new EmbeddingClient("tiny", new ApiKeyCredential("none"), Options());

        var several = (await client.GenerateEmbeddingsAsync(["Once", "Twice"], new OpenAI.Embeddings.EmbeddingGenerationOptions { Dimensions = 16 })).Value;
        var one = (await client.GenerateEmbeddingAsync("Once")).Value;

        Assert.Equal(Expected("Once", 16), several[0].ToFloats().ToArray());
        Assert.Equal(Expected("Twice", 16), several[1].ToFloats().ToArray());
        Assert.Equal((11, 11), (several.Usage.InputTokenCount, several.Usage.TotalTokenCount));
        Assert.Equal(Expected("Once"), one.ToFloats().ToArray());
        var error = await Assert.ThrowsAsync<ClientResultException>(() => client.GenerateEmbeddingAsync("Once", new OpenAI.Embeddings.EmbeddingGenerationOptions { Dimensions = 33 }));
        Assert.Equal(400, error.Status);
    }

    [Fact]
    public async Task IEmbeddingGenerator_SeveralTexts_SameVectorsAndUsage()
    {
        using var generator = new EmbeddingClient("tiny", new ApiKeyCredential("none"), Options()).AsIEmbeddingGenerator();

        var found = await generator.GenerateAsync(["Once", "Twice"]);

        Assert.Equal(Expected("Once"), found[0].Vector.ToArray());
        Assert.Equal(Expected("Twice"), found[1].Vector.ToArray());
        Assert.Equal(11, found.Usage!.InputTokenCount);
    }

    public static TheoryData<string, int, string?, string> BadRequests => new()
    {
        { """{"model":"tiny"}""", 400, "input", "input is missing. Give a string, a list of strings, a list of token ids or a list of such lists." },
        { """{"model":"tiny","input":[]}""", 400, "input", "input is an empty list." },
        { """{"model":"tiny","input":5}""", 400, "input", "input is the number 5." },
        { """{"model":"tiny","input":[[]]}""", 400, "input", "input is a list without token ids. Give at least one." },
        { """{"model":"tiny","input":["a",[1]]}""", 400, "input", "input is a list of strings and lists of token ids. Give one kind of them." },
        { """{"model":"tiny","input":[1,272]}""", 400, "input", "input holds the token id 272 at place 1. Give ids from 0 to 271." },
        { """{"model":"tiny","input":[[1],[-1]]}""", 400, "input[1]", "input[1] holds the token id -1 at place 0." },
        { $$"""{"model":"tiny","input":["a","{{new string('x', 255)}}"]}""", 400, "input[1]", "input[1] has 256 tokens. Give at most 255." },
        { $$"""{"model":"tiny","input":[{{string.Join(',', Enumerable.Repeat("\"x\"", 2_049))}}]}""", 400, "input", "input is a list of 2049 texts. Give at most 2048." },
        { """{"model":"tiny","input":"a","dimensions":0}""", 400, "dimensions", "dimensions is 0. Give a whole number from 1 to 32." },
        { """{"model":"tiny","input":"a","dimensions":33}""", 400, "dimensions", "dimensions is 33. Give a whole number from 1 to 32." },
        { """{"model":"tiny","input":"a","dimensions":"few"}""", 400, "dimensions", "dimensions is a string. Give a whole number." },
        { """{"model":"tiny","input":"a","encoding_format":"hex"}""", 400, "encoding_format", "encoding_format is \"hex\". Give float or base64." },
        { """{"model":"nobody","input":"a"}""", 404, "model", "There is no model called \"nobody\"." },
        { """{"input":"a"}""", 400, "model", "model is missing." },
        { """{"model":"tiny","input":"\ud800"}""", 400, "input", "input holds half of a surrogate pair. Give whole characters." },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task Embed_BadInput_ErrorNamesFieldAndLimitAndThePoolGoesOn(string body, int status, string? field, string message)
    {
        using var answer = await cluster.Http.PostAsync("/v1/embeddings", OpenAiEndpointsTests.Json(body));
        await OpenAiEndpointsTests.AssertError(answer, (HttpStatusCode)status, field, message);

        using var next = await PostAsync("""{"model":"tiny","input":"a"}""");
        Assert.Equal(Width, next.RootElement.GetProperty("data")[0].GetProperty("embedding").GetArrayLength());
    }

    /// <summary>By the decoder itself, token by token: the mean of the hidden states, its first values, scaled.</summary>
    private float[] Expected(string text) => Expected(text, Width);

    private float[] Expected(string text, int dimensions)
    {
        var source = RunSource.Open(new RunFolder(Path.Combine(cluster.Runs, "tiny")));
        using var decoder = source.Decoder(source.Latest(_ => { }), DecodePrecision.Fp32);
        using var sequence = decoder.CreateSequence();
        var sum = new double[Width];
        var ids = Ids(text);
        foreach (var id in ids)
        {
            var row = decoder.Hidden(sequence, [id]);
            for (var c = 0; c < Width; c++)
                sum[c] += row[c];
        }

        float[] mean = [.. sum.Take(dimensions).Select(value => (float)(value / ids.Length))];
        var length = Math.Sqrt(mean.Sum(value => (double)value * value));
        return [.. mean.Select(value => (float)(value / length))];
    }

    private int[] Ids(string text)
    {
        var tokenizer = RunSource.Open(new RunFolder(Path.Combine(cluster.Runs, "tiny"))).Tokenizer;
        return [tokenizer.Special.BeginOfText, .. tokenizer.Encode(text)];
    }

    private static float[] Values(JsonElement entry) => [.. entry.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle())];

    private async Task<JsonDocument> PostAsync(string body)
    {
        using var answer = await cluster.Http.PostAsync("/v1/embeddings", OpenAiEndpointsTests.Json(body));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text);
    }

    private OpenAIClientOptions Options() => new()
    {
        Endpoint = new Uri(cluster.Http.BaseAddress!, "v1"),
        RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0),
    };
}
