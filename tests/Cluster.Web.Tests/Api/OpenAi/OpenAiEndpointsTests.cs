using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Cluster.Core.Runs;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;
using Cluster.Silo.Inference;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>The endpoints byte by byte.</summary>
public sealed class OpenAiEndpointsTests(ServingCluster cluster) : IClassFixture<ServingCluster>
{
    [Fact]
    public async Task Completion_SeedAndSettings_TheModelsOwnReplyAndExactUsage()
    {
        using var model = RunModel.Open(new RunFolder(Path.Combine(cluster.Runs, "tiny")), _ => { });
        var expected = model.Write("Once", new GenerationOptions
        {
            MaxTokens = 40,
            Seed = 5,
            Temperature = 0.9,
            TopP = 0.95,
            TopK = 50,
            MinP = 0.001,
            RepetitionPenalty = 1.1,
            PresencePenalty = 0.1,
            FrequencyPenalty = 0.2,
            LogitBias = new Dictionary<int, double> { [40] = 2 },
        });
        var text = string.Concat(expected.Select(token => token.Text));

        using var answer = await PostAsync("/v1/completions", """
            {"model":"tiny","prompt":"Once","max_tokens":40,"seed":5,"temperature":0.9,"top_p":0.95,"top_k":50,"min_p":0.001,
             "repetition_penalty":1.1,"presence_penalty":0.1,"frequency_penalty":0.2,"logit_bias":{"40":2},"user":"somebody","unknown_field":[1]}
            """);

        var choice = answer.RootElement.GetProperty("choices")[0];
        Assert.Equal(text, choice.GetProperty("text").GetString());
        Assert.Equal(expected.Finish == FinishReason.Stop ? "stop" : "length", choice.GetProperty("finish_reason").GetString());
        Assert.Equal($$"""{"prompt_tokens":5,"completion_tokens":{{expected.Ids.Length}},"total_tokens":{{5 + expected.Ids.Length}}}""",
            answer.RootElement.GetProperty("usage").GetRawText());
        Assert.Equal("text_completion", answer.RootElement.GetProperty("object").GetString());
        Assert.Equal($"fp_{model.Weights.Sha256[..12]}", answer.RootElement.GetProperty("system_fingerprint").GetString());
    }

    [Fact]
    public async Task Completion_QuantizedModelByName_ItsOwnReply()
    {
        using var model = RunModel.Open(new RunFolder(Path.Combine(cluster.Runs, "small")), _ => { }, quantized: "int8");
        var expected = model.Write("Once", new GenerationOptions { MaxTokens = 40, Seed = 5, Temperature = 0.9 });

        using var answer = await PostAsync("/v1/completions", """{"model":"small:int8","prompt":"Once","max_tokens":40,"seed":5,"temperature":0.9}""");
        using var whole = await PostAsync("/v1/completions", """{"model":"small","prompt":"Once","max_tokens":40,"seed":5,"temperature":0.9}""");

        Assert.Equal(string.Concat(expected.Select(token => token.Text)), answer.RootElement.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.Equal($"fp_{model.Weights.Sha256[..12]}", answer.RootElement.GetProperty("system_fingerprint").GetString());
        Assert.NotEqual($"fp_{model.Weights.Sha256[..12]}", whole.RootElement.GetProperty("system_fingerprint").GetString());
        using var listed = JsonDocument.Parse(await cluster.Http.GetStringAsync("/v1/models/small:int8"));
        Assert.Equal("small:int8", listed.RootElement.GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("/v1/completions", "\"prompt\":\"Once\"", "text")]
    [InlineData("/v1/completions", "\"prompt\":[1,2,3]", "text")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]", "content")]
    public async Task Stream_SeveralReplies_PiecesJoinToTheWholeOnes(string path, string prompt, string text)
    {
        var body = $$"""{"model":"tiny",{{prompt}},"max_tokens":30,"n":3,"seed":9""";
        using var whole = await PostAsync(path, body + "}");

        var events = await StreamAsync(path, body + ""","stream":true,"stream_options":{"include_usage":true}}""");

        Assert.Equal("[DONE]", events[^1]);
        var chunks = events.SkipLast(1).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.Equal(whole.RootElement.GetProperty("usage").GetRawText(), chunks[^1].GetProperty("usage").GetRawText());
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
        var choices = chunks.SkipLast(1).Select(chunk => chunk.GetProperty("choices")[0]).ToLookup(choice => choice.GetProperty("index").GetInt32());
        foreach (var expected in whole.RootElement.GetProperty("choices").EnumerateArray())
        {
            var pieces = choices[expected.GetProperty("index").GetInt32()].ToList();
            Assert.Equal(Text(expected, "message"), string.Concat(pieces.Select(piece => Text(piece, "delta"))));
            Assert.Equal(expected.GetProperty("finish_reason").GetString(), pieces[^1].GetProperty("finish_reason").GetString());
            Assert.All(pieces.SkipLast(1), piece => Assert.Equal(JsonValueKind.Null, piece.GetProperty("finish_reason").ValueKind));
        }

        Assert.Equal(3, whole.RootElement.GetProperty("choices").EnumerateArray().Select(choice => Text(choice, "message")).Distinct().Count());

        string Text(JsonElement choice, string message) => text == "text"
            ? choice.GetProperty("text").GetString()!
            : choice.GetProperty(message).TryGetProperty("content", out var content) ? content.GetString()! : "";
    }

    [Fact]
    public async Task Completion_StopString_EndsBeforeIt()
    {
        const string body = """{"model":"tiny","prompt":"Once","max_tokens":60,"seed":5,"ignore_eos":true""";
        using var free = await PostAsync("/v1/completions", body + "}");
        var text = free.RootElement.GetProperty("choices")[0].GetProperty("text").GetString()!;
        var stop = text[20..22];

        using var answer = await PostAsync("/v1/completions", body + $$""","stop":{{JsonSerializer.Serialize(stop)}}}""");

        var choice = answer.RootElement.GetProperty("choices")[0];
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], choice.GetProperty("text").GetString());
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Completion_SeveralPromptsAndLogprobs_NumberedInOrder()
    {
        using var answer = await PostAsync("/v1/completions", """{"model":"tiny","prompt":["One","Two"],"n":2,"max_tokens":5,"seed":1,"logprobs":2,"ignore_eos":true}""");
        using var second = await PostAsync("/v1/completions", """{"model":"tiny","prompt":"Two","n":2,"max_tokens":5,"seed":1,"logprobs":2,"ignore_eos":true}""");

        var choices = answer.RootElement.GetProperty("choices").EnumerateArray().ToList();
        Assert.Equal([0, 1, 2, 3], choices.Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.Equal(second.RootElement.GetProperty("choices")[1].GetProperty("text").GetString(), choices[3].GetProperty("text").GetString());
        var logprobs = choices[3].GetProperty("logprobs");
        Assert.Equal(second.RootElement.GetProperty("choices")[1].GetProperty("logprobs").GetRawText(), logprobs.GetRawText());
        foreach (var list in new[] { "tokens", "token_logprobs", "top_logprobs", "text_offset" })
            Assert.Equal(5, logprobs.GetProperty(list).GetArrayLength());
        Assert.Equal("""{"prompt_tokens":8,"completion_tokens":20,"total_tokens":28}""", answer.RootElement.GetProperty("usage").GetRawText());
    }

    [Fact]
    public async Task Tokenize_TextAndChat_DetokenizeGivesItBack()
    {
        using var text = await PostAsync("/tokenize", """{"model":"tiny","prompt":"aä","add_special_tokens":false}""");
        using var opened = await PostAsync("/tokenize", """{"model":"tiny","prompt":"a"}""");
        using var chat = await PostAsync("/tokenize", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""");

        Assert.Equal((3, 256), (text.RootElement.GetProperty("count").GetInt32(), text.RootElement.GetProperty("max_model_len").GetInt32()));
        Assert.Equal(2, opened.RootElement.GetProperty("count").GetInt32());
        Assert.Equal("aä", await DetokenizeAsync(text));
        Assert.Equal("<|begin_of_text|><|user|>Hi<|assistant|>", await DetokenizeAsync(chat));

        async Task<string> DetokenizeAsync(JsonDocument ids)
        {
            using var answer = await PostAsync("/detokenize", $$"""{"model":"tiny","tokens":{{ids.RootElement.GetProperty("tokens").GetRawText()}}}""");
            return answer.RootElement.GetProperty("prompt").GetString()!;
        }
    }

    [Fact]
    public async Task Models_OneByName_OrNotFound()
    {
        using var model = JsonDocument.Parse(await cluster.Http.GetStringAsync("/v1/models/tiny"));
        Assert.Equal(("tiny", "model", 256), (model.RootElement.GetProperty("id").GetString(), model.RootElement.GetProperty("object").GetString(), model.RootElement.GetProperty("max_model_len").GetInt32()));

        using var unknown = await cluster.Http.GetAsync("/v1/models/unknown");
        await AssertError(unknown, HttpStatusCode.NotFound, "model", "There is no model called \"unknown\".");
    }

    [Fact]
    public async Task Stream_ClientGoesAway_ItsBlocksAreFree()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = Json("""{"model":"long","prompt":"Once","max_tokens":32000,"stream":true,"ignore_eos":true}"""),
        };
        using (var answer = await cluster.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
            Assert.StartsWith("data: ", await reader.ReadLineAsync(), StringComparison.Ordinal);
            await cluster.UntilAsync("long", load => load is { Running: 1 });
        }

        await cluster.UntilAsync("long", load => load is { Ready: true, Running: 0, Waiting: 0 } && load.FreeBlocks == load.Blocks);
    }

    public static TheoryData<string, string, int, string?, string> BadRequests => new()
    {
        { "/v1/completions", $$"""{"model":"tiny","prompt":"{{new string('x', 400)}}"}""", 400, "prompt", "The prompt has 401 tokens; the model's context holds 256, reply included. Shorten it to at most 255 tokens." },
        { "/v1/chat/completions", $$"""{"model":"tiny","messages":[{"role":"user","content":"{{new string('x', 400)}}"}]}""", 400, "messages", "The prompt has 403 tokens; the model's context holds 256" },
        { "/v1/completions", """{"model":"nobody","prompt":"a"}""", 404, "model", "There is no model called \"nobody\"." },
        { "/v1/completions", """{"model":"../tiny","prompt":"a"}""", 404, "model", "There is no model called \"../tiny\"." },
        { "/v1/completions", """{"prompt":"a"}""", 400, "model", "model is missing." },
        { "/v1/completions", """{"model":"tiny","prompt":""", 400, null, "The body is not JSON: see line 1, byte " },
        { "/v1/completions", "[]", 400, null, "The body is a list. Give an object." },
        { "/v1/completions", "", 400, null, "The body is not JSON" },
        { "/v1/completions", """{"model":"tiny","prompt":"a","temperature":-1}""", 400, "temperature", "temperature is -1. Give 0 (greedy) or a number up to 100." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","temperature":"hot"}""", 400, "temperature", "temperature is a string. Give a number." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","max_tokens":1.5}""", 400, "max_tokens", "max_tokens is the number 1.5. Give a whole number." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","max_tokens":0}""", 400, "max_tokens", "max_tokens is 0. Give a whole number from 1 to 1048576." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","n":0}""", 400, "n", "n is 0. Give at least 1." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","n":17}""", 400, "n", "n is 17. Give a whole number from 1 to 16." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","top_p":2}""", 400, "top_p", "top_p is 2. Give a number above 0 and at most 1." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","stream":"yes"}""", 400, "stream", "stream is a string. Give true or false." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","logit_bias":{"x":1}}""", 400, "logit_bias", "logit_bias has the key \"x\". Give token ids as keys." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","logit_bias":{"300":1}}""", 400, "logit_bias", "logit_bias is a map with the id 300. Give ids from 0 to 271." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","logit_bias":{"3":"x"}}""", 400, "logit_bias.3", "logit_bias.3 has a value of another type. Give an object of token ids with numbers as logit_bias." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","logprobs":21}""", 400, "logprobs", "logprobs is 21. Give a whole number from 0 to 20." },
        { "/v1/completions", $$"""{"model":"tiny","prompt":"a","stop":[{{string.Join(',', Enumerable.Repeat("\"x\"", 1_000))}}]}""", 400, "stop", "stop is a list of 1000 strings. Give at most 16." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","stop":[""]}""", 400, "stop", "stop is a list with a string of 0 chars. Give strings of 1 to 256 chars." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","stop_token_ids":[272]}""", 400, "stop_token_ids", "stop_token_ids is a list with the id 272. Give ids from 0 to 271." },
        { "/v1/completions", $$"""{"model":"tiny","prompt":"a","stop_token_ids":[{{string.Join(',', Enumerable.Range(0, 16))}}]}""", 400, "stop_token_ids", "stop_token_ids is a list of 16 ids. Give at most 15." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","stop":5}""", 400, "stop", "stop is the number 5. Give a string or a list of strings." },
        { "/v1/completions", """{"model":"tiny","prompt":"\ud800"}""", 400, "prompt", "prompt holds half of a surrogate pair. Give whole characters." },
        { "/v1/completions", """{"model":"tiny","prompt":[1,272]}""", 400, "prompt", "prompt holds the token id 272 at place 1. Give ids from 0 to 271." },
        { "/v1/completions", """{"model":"tiny","prompt":[1,-1]}""", 400, "prompt", "prompt holds the token id -1 at place 1." },
        { "/v1/completions", """{"model":"tiny","prompt":[1,99999999999]}""", 400, "prompt", "prompt holds the number 99999999999 at place 1. Give token ids." },
        { "/v1/completions", """{"model":"tiny","prompt":[]}""", 400, "prompt", "prompt is an empty list." },
        { "/v1/completions", """{"model":"tiny"}""", 400, "prompt", "prompt is missing." },
        { "/v1/completions", """{"model":"tiny","prompt":"a","echo":true}""", 400, "echo", "echo is true, which is not supported." },
        { "/v1/chat/completions", """{"model":"tiny"}""", 400, "messages", "messages is missing." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[]}""", 400, "messages", "messages is an empty list." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"wizard","content":"a"}]}""", 400, "messages[0].role", "messages[0].role is \"wizard\". Give system, user or assistant." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":7}]}""", 400, "messages[0].content", "messages[0].content is the number 7. Give a string." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"assistant","content":"a"}]}""", 400, "messages", "Message 0 of the conversation is the Assistant's, not the User's." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"a"}],"max_completion_tokens":0}""", 400, "max_completion_tokens", "max_completion_tokens is 0." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"a"}],"top_logprobs":2}""", 400, "top_logprobs", "top_logprobs is given without logprobs." },
        { "/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":21}""", 400, "top_logprobs", "top_logprobs is 21. Give a whole number from 0 to 20." },
        { "/detokenize", """{"model":"tiny","tokens":[272]}""", 400, "tokens", "tokens holds the token id 272 at place 0. Give ids from 0 to 271." },
        { "/tokenize", """{"model":"tiny"}""", 400, "prompt", "One of prompt and messages must be given." },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task Post_BadInput_ErrorNamesFieldAndLimitAndThePoolGoesOn(string path, string body, int status, string? field, string message)
    {
        using var answer = await cluster.Http.PostAsync(path, Json(body));
        await AssertError(answer, (HttpStatusCode)status, field, message);

        using var next = await PostAsync("/v1/completions", """{"model":"tiny","prompt":"a","max_tokens":1}""");
        Assert.Equal(1, next.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Post_BodyThatIsNoJson_SaysWhatItIs()
    {
        using var text = await cluster.Http.PostAsync("/v1/completions", new StringContent("{}"));
        await AssertError(text, HttpStatusCode.UnsupportedMediaType, null, "Content-Type is \"text/plain; charset=utf-8\". Give application/json.");

        byte[] invalid = [.. "{\"model\":\"tiny\",\"prompt\":\""u8, 0xC3, 0x28, .. "\"}"u8];
        using var utf8 = await cluster.Http.PostAsync("/v1/completions", Json(invalid));
        await AssertError(utf8, HttpStatusCode.BadRequest, null, "The body is not UTF-8. Send JSON in UTF-8.");

        using var large = await cluster.Http.PostAsync("/v1/completions", Json(new byte[(1 << 20) + 1]));
        await AssertError(large, HttpStatusCode.RequestEntityTooLarge, null, "The body is larger than 1048576 bytes. Shorten it to at most that.");

        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = Json(new byte[(1 << 20) + 1]) };
        chunked.Headers.TransferEncodingChunked = true;
        using var alsoLarge = await cluster.Http.SendAsync(chunked);
        await AssertError(alsoLarge, HttpStatusCode.RequestEntityTooLarge, null, "The body is larger than 1048576 bytes.");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_TenMegabytes_PayloadTooLargeAndThePoolGoesOn(bool chunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Json(new byte[10 << 20]) };
        request.Headers.TransferEncodingChunked = chunked;
        // The server says so before all is sent, and closes: a client that waits for a go-ahead sees why.
        request.Headers.ExpectContinue = true;

        using var answer = await cluster.Http.SendAsync(request);

        await AssertError(answer, HttpStatusCode.RequestEntityTooLarge, null, "The body is larger than 1048576 bytes. Shorten it to at most that.");
        await AssertAnswersAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"model\":\"tiny\",\"prompt\":\"Once")]
    public async Task Post_ClientVanishesWhileSending_NothingIsBegunAndThePoolGoesOn(string sent)
    {
        using (var client = await ConnectAsync())
        {
            var head = $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{sent}";
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head));
            client.Client.LingerState = new LingerOption(true, 0);
        }

        await AssertAnswersAsync();
        await cluster.UntilAsync("tiny", load => load is { Running: 0, Waiting: 0 } && load.FreeBlocks == load.Blocks);
    }

    [Fact]
    public async Task Post_ClientSendsByteByByte_AnsweredLikeAnyOther()
    {
        const string body = """{"model":"tiny","prompt":"Once","max_tokens":3,"seed":1,"ignore_eos":true}""";
        using var client = await ConnectAsync();
        client.NoDelay = true;
        var stream = client.GetStream();
        var head = $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n";
        foreach (var letter in Encoding.ASCII.GetBytes(head + body))
            await stream.WriteAsync(new[] { letter });
        using var reader = new StreamReader(stream);
        var answer = await reader.ReadToEndAsync();

        Assert.StartsWith("HTTP/1.1 200 OK", answer, StringComparison.Ordinal);
        Assert.Contains("\"completion_tokens\":3", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_ClientReadsNothing_OthersAreAnsweredAndItsReplyIsWhole()
    {
        // More than the connection's buffers hold: the server waits for the client, and nobody for the server.
        const string body = """{"model":"long","prompt":"Once","max_tokens":3000,"logprobs":20,"stream":true,"ignore_eos":true,"seed":2}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = Json(body) };
        using var answer = await cluster.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await cluster.UntilAsync("long", load => load is { Ready: true, Running: 0, Waiting: 0 });
        await AssertAnswersAsync();

        var lines = (await answer.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", lines[^1]);
        Assert.Equal(3_000, lines.Count(line => line.Contains("\"tokens\":[", StringComparison.Ordinal)));
    }

    internal static ByteArrayContent Json(string body) => Json(Encoding.UTF8.GetBytes(body));

    internal static async Task AssertError(HttpResponseMessage answer, HttpStatusCode status, string? field, string message)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(status == answer.StatusCode, text);
        using var body = JsonDocument.Parse(text);
        var error = body.RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(property => property.Name));
        Assert.StartsWith(message, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(field, error.GetProperty("param").GetString());
    }

    private static ByteArrayContent Json(byte[] body) =>
        new(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async Task AssertAnswersAsync()
    {
        using var next = await PostAsync("/v1/completions", """{"model":"tiny","prompt":"a","max_tokens":1}""");
        Assert.Equal(1, next.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    private async Task<TcpClient> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, cluster.Http.BaseAddress!.Port);
        return client;
    }

    private async Task<JsonDocument> PostAsync(string path, string body)
    {
        using var answer = await cluster.Http.PostAsync(path, Json(body));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text);
    }

    /// <summary>The data of the answer's events.</summary>
    private async Task<List<string>> StreamAsync(string path, string body)
    {
        using var answer = await cluster.Http.PostAsync(path, Json(body));
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.StartsWith("data: ", line, StringComparison.Ordinal));
        return [.. lines.Select(line => line["data: ".Length..])];
    }
}
