// OpenAI's API over the inference pool. Enters: HTTP. Leaves: HTTP. Does not know: workers, where replies are written, token ids' meaning.
using System.Buffers.Binary;
using System.Net;
using Cluster.Contracts.Inference;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Web.Api.OpenAi;

/// <summary>
/// /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models as OpenAI has them, /tokenize and /detokenize as vLLM has them. Errors are OpenAI's:
/// 400 names field and limit, 401 asks for a key, 404 an unknown model, 413 a body too large, 429 with Retry-After, 503 no worker.
/// A client that goes away ends its replies.
/// </summary>
internal static class OpenAiEndpoints
{
    /// <summary>Name of the policy that limits requests per key.</summary>
    public const string RatePolicy = "api";

    private const int StatusClientClosedRequest = 499;

    public static void Map(IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup("").AddEndpointFilter(AnswerAsync).RequireRateLimiting(RatePolicy);
        api.MapPost("/v1/chat/completions", ChatAsync);
        api.MapPost("/v1/completions", CompleteAsync);
        api.MapPost("/v1/embeddings", EmbedAsync);
        api.MapGet("/v1/models", ModelsAsync);
        api.MapGet("/v1/models/{model}", ModelAsync);
        api.MapPost("/tokenize", TokenizeAsync);
        api.MapPost("/detokenize", DetokenizeAsync);
    }

    private static async Task ChatAsync(HttpContext context, InferenceClient client, ApiOptions options, TimeProvider time)
    {
        var body = await BodyReader.ReadAsync(context, ApiJson.Default.ChatBody, options);
        var model = RequestMapping.Model(body.Model);
        var id = $"chatcmpl-{Guid.NewGuid():n}";
        await GenerateAsync(context, client, model, body, [RequestMapping.Of(body, id)], (replies, cancellation) =>
        {
            var form = new ChatForm(id, model, time.GetUtcNow().ToUnixTimeSeconds(), replies.Fingerprint, body.Logprobs == true);
            return body.Stream == true ? StreamAsync(context, form, replies, body, cancellation) : WholeAsync(context, form, replies, cancellation);
        });
    }

    private static async Task CompleteAsync(HttpContext context, InferenceClient client, ApiOptions options, TimeProvider time)
    {
        var body = await BodyReader.ReadAsync(context, ApiJson.Default.CompletionBody, options);
        var model = RequestMapping.Model(body.Model);
        var id = $"cmpl-{Guid.NewGuid():n}";
        await GenerateAsync(context, client, model, body, RequestMapping.Of(body, id), (replies, cancellation) =>
        {
            var form = new CompletionForm(id, model, time.GetUtcNow().ToUnixTimeSeconds(), replies.Fingerprint, body.Logprobs is not null);
            return body.Stream == true ? StreamAsync(context, form, replies, body, cancellation) : WholeAsync(context, form, replies, cancellation);
        });
    }

    private static async Task EmbedAsync(HttpContext context, InferenceClient client, ApiOptions options)
    {
        var body = await BodyReader.ReadAsync(context, ApiJson.Default.EmbeddingsBody, options);
        var model = RequestMapping.Model(body.Model);
        var answer = await client.EmbedAsync(model, RequestMapping.Of(body, $"embd-{Guid.NewGuid():n}"), context.RequestAborted);
        context.RequestServices.GetRequiredService<VllmMetricsPage>().Asked(model);
        if (body.EncodingFormat == "base64")
            await WriteAsync(context, List(answer.Vectors.Select(Base64)), ApiJson.Default.EmbeddingTexts);
        else
            await WriteAsync(context, List(answer.Vectors), ApiJson.Default.EmbeddingFloats);

        EmbeddingList<T> List<T>(IEnumerable<T> values) => new(
            "list", values.Select((value, i) => new EmbeddingEntry<T>("embedding", i, value)).ToArray(), model, new EmbeddingUsage(answer.PromptTokens, answer.PromptTokens));

        // Little-endian floats, whatever the machine has.
        static string Base64(float[] vector)
        {
            var bytes = new byte[vector.Length * sizeof(float)];
            for (var i = 0; i < vector.Length; i++)
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
            return Convert.ToBase64String(bytes);
        }
    }

    private static async Task GenerateAsync(HttpContext context, InferenceClient client, string model, SamplingFields body,
        IReadOnlyList<AskedGeneration> asked, Func<AllReplies, CancellationToken, Task> answer)
    {
        try
        {
            await using var replies = await AllReplies.BeginAsync(client, model, asked, context.RequestAborted);
            context.RequestServices.GetRequiredService<VllmMetricsPage>().Asked(model);
            await answer(replies, context.RequestAborted);
        }
        catch (InferenceException refused)
        {
            throw ApiError.Of(refused.Refusal, RequestMapping.Names(body));
        }
    }

    private static async Task WholeAsync(HttpContext context, AnswerForm form, AllReplies replies, CancellationToken cancellation)
    {
        var whole = new SortedDictionary<int, WholeReply>();
        await foreach (var happened in replies.ReadAsync(cancellation))
        {
            if (!whole.TryGetValue(happened.Choice, out var reply))
                whole.Add(happened.Choice, reply = new WholeReply());
            reply.Add(happened);
        }

        await form.WriteAsync(context, whole, Usage(replies, whole.Values.Sum(reply => reply.Pieces.Count)));
    }

    private static async Task StreamAsync(HttpContext context, AnswerForm form, AllReplies replies, SamplingFields body, CancellationToken cancellation)
    {
        var events = new ServerSentEvents(context);
        var tokens = 0;
        try
        {
            await foreach (var happened in replies.ReadAsync(cancellation))
            {
                tokens += happened.Piece is null ? 0 : 1;
                await form.SendAsync(events, happened, cancellation);
            }

            if (body.StreamOptions?.IncludeUsage == true)
                await form.SendUsageAsync(events, Usage(replies, tokens), cancellation);
        }
        catch (InferenceException failed) when (context.Response.HasStarted)
        {
            // The status was sent long ago; clients look for an error among the events.
            await events.SendAsync(ApiError.Of(failed.Refusal).Body, ApiJson.Default.ErrorBody, cancellation);
        }

        await events.EndAsync(cancellation);
    }

    private static UsageFields Usage(AllReplies replies, int tokens) => new(replies.PromptTokens, tokens, replies.PromptTokens + tokens);

    private static async Task ModelsAsync(HttpContext context, InferenceClient client)
    {
        var models = await client.ModelsAsync(context.RequestAborted);
        await WriteAsync(context, new ModelList("list", models.Select(Entry).ToArray()), ApiJson.Default.ModelList);
    }

    private static async Task ModelAsync(string model, HttpContext context, InferenceClient client)
    {
        var found = await client.DescribeAsync(model, context.RequestAborted)
            ?? throw new ApiError(StatusCodes.Status404NotFound, $"There is no model called \"{model}\". GET /v1/models lists those that there are.", "model", "model_not_found");
        await WriteAsync(context, Entry(found), ApiJson.Default.ModelEntry);
    }

    private static ModelEntry Entry(ModelDescription model) => new(model.Name, "model", model.Created.ToUnixTimeSeconds(), "cluster", model.MaxContext);

    private static async Task TokenizeAsync(HttpContext context, InferenceClient client, ApiOptions options)
    {
        var body = await BodyReader.ReadAsync(context, ApiJson.Default.TokenizeBody, options);
        if (body.Prompt is null == body.Messages is null)
            throw ApiError.Bad("prompt", "One of prompt and messages must be given.");
        var question = new TokenQuestion(body.Prompt, body.Messages is null ? null : RequestMapping.Messages(body.Messages), body.AddSpecialTokens ?? true);
        var answer = await client.TokenizeAsync(RequestMapping.Model(body.Model), question, context.RequestAborted);
        await WriteAsync(context, new TokenizeAnswer(answer.Ids.Count, answer.MaxContext, answer.Ids), ApiJson.Default.TokenizeAnswer);
    }

    private static async Task DetokenizeAsync(HttpContext context, InferenceClient client, ApiOptions options)
    {
        var body = await BodyReader.ReadAsync(context, ApiJson.Default.DetokenizeBody, options);
        var ids = body.Tokens ?? throw ApiError.Bad("tokens", "tokens is missing. Give a list of token ids.");
        var text = await client.DetokenizeAsync(RequestMapping.Model(body.Model), ids.ToArray(), context.RequestAborted);
        await WriteAsync(context, new DetokenizeAnswer(text), ApiJson.Default.DetokenizeAnswer);
    }

    private static Task WriteAsync<T>(HttpContext context, T answer, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(answer, type, cancellationToken: context.RequestAborted);

    private static async ValueTask<object?> AnswerAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var context = invocation.HttpContext;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            Authorize(context, context.RequestServices.GetRequiredService<ApiOptions>());
            return await next(invocation);
        }
        catch (ApiError error)
        {
            await error.WriteAsync(context);
        }
        catch (InferenceException refused)
        {
            await ApiError.Of(refused.Refusal).WriteAsync(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads it; logs and metrics do.
            if (!context.Response.HasStarted)
                context.Response.StatusCode = StatusClientClosedRequest;
        }

        return Results.Empty;
    }

    private static void Authorize(HttpContext context, ApiOptions options)
    {
        if (options.HasKeys)
        {
            if (options.KeyOf(context.Request.Headers.Authorization) >= 0)
                return;
            context.Response.Headers.WWWAuthenticate = "Bearer";
            throw new ApiError(StatusCodes.Status401Unauthorized, "No valid API key was given. Send one as Authorization: Bearer KEY.", null, "invalid_api_key");
        }

        if (context.Connection.LocalIpAddress is { } address && !IPAddress.IsLoopback(address))
        {
            throw new ApiError(StatusCodes.Status403Forbidden,
                "This server is reached from other machines and has no API keys. Set Cluster:ApiKeys, or use it on loopback.", null, "api_keys_required");
        }
    }
}
