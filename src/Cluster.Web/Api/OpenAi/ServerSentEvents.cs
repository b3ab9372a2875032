using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Cluster.Web.Api.OpenAi;

/// <summary>An answer that is written as it comes: a line <c>data: JSON</c> for each message, and <c>data: [DONE]</c> at the end.</summary>
internal sealed class ServerSentEvents
{
    private static readonly byte[] s_data = "data: "u8.ToArray(), s_end = "\n\n"u8.ToArray(), s_done = "data: [DONE]\n\n"u8.ToArray();
    private readonly HttpContext _context;

    public ServerSentEvents(HttpContext context)
    {
        _context = context;
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        // What a proxy gathers first is no stream.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    /// <summary>Sends a message.</summary>
    public async Task SendAsync<T>(T message, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        var body = _context.Response.Body;
        // One write and one flush: one packet.
        byte[] line = [.. s_data, .. JsonSerializer.SerializeToUtf8Bytes(message, type), .. s_end];
        await body.WriteAsync(line, cancellation);
        await body.FlushAsync(cancellation);
    }

    /// <summary>Says that it is over.</summary>
    public async Task EndAsync(CancellationToken cancellation) => await _context.Response.Body.WriteAsync(s_done, cancellation);
}
