using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Cluster.Web.Api.OpenAi;

/// <summary>A request's body as a message, or an error that names what is wrong with it.</summary>
internal static class BodyReader
{
    private const string Number = "a number", Whole = "a whole number", Text = "a string", Truth = "true or false";

    // Bodies up to so many times the limit are read, and refused.
    private const int Patience = 8;

    private static readonly Dictionary<string, string> s_types = new(StringComparer.Ordinal)
    {
        ["model"] = Text,
        ["stream"] = Truth,
        ["stream_options"] = "an object",
        ["stream_options.include_usage"] = Truth,
        ["n"] = Whole,
        ["max_tokens"] = Whole,
        ["max_completion_tokens"] = Whole,
        ["temperature"] = Number,
        ["top_p"] = Number,
        ["top_k"] = Whole,
        ["min_p"] = Number,
        ["repetition_penalty"] = Number,
        ["presence_penalty"] = Number,
        ["frequency_penalty"] = Number,
        ["logit_bias"] = "an object of token ids with numbers",
        ["stop_token_ids"] = "a list of token ids",
        ["tokens"] = "a list of token ids",
        ["ignore_eos"] = Truth,
        ["seed"] = "a whole number of 64 bits",
        ["messages"] = "a list of messages, each with role and content",
        ["top_logprobs"] = Whole,
        ["best_of"] = Whole,
        ["echo"] = Truth,
        ["suffix"] = Text,
        ["add_special_tokens"] = Truth,
        ["encoding_format"] = Text,
        ["dimensions"] = Whole,
    };

    /// <summary>Reads a body.</summary>
    /// <exception cref="ApiError">It is too large, no JSON in UTF-8, or a field has another type.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type, ApiOptions options)
        where T : class
    {
        // A page of another site may send a body of a few other types without asking first.
        if (!context.Request.HasJsonContentType())
            throw new ApiError(StatusCodes.Status415UnsupportedMediaType, $"Content-Type is \"{context.Request.ContentType}\". Give application/json.", null, "unsupported_media_type");
        var body = await BytesAsync(context, options.MaxBodyBytes);
        if (!Utf8.IsValid(body))
            throw ApiError.Bad(null, "The body is not UTF-8. Send JSON in UTF-8.");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body);
        }
        catch (JsonException error)
        {
            throw ApiError.Bad(null, FormattableString.Invariant($"The body is not JSON: see line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}."));
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw ApiError.Bad(null, $"The body is {Kind(document.RootElement)}. Give an object.");
            try
            {
                return document.RootElement.Deserialize(type)!;
            }
            catch (JsonException error)
            {
                throw WrongType(error.Path, document.RootElement);
            }
        }
    }

    /// <summary>What a value is, for a person.</summary>
    public static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => $"the number {(value.GetRawText() is { Length: < 40 } number ? number : "of many digits")}",
        JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        JsonValueKind.Null => "null",
        _ => "missing",
    };

    /// <summary>A string's text.</summary>
    /// <exception cref="ApiError">It holds half a surrogate pair.</exception>
    public static string TextOf(JsonElement value, string field)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw ApiError.Bad(field, $"{field} holds half of a surrogate pair. Give whole characters.");
        }
    }

    private static async Task<byte[]> BytesAsync(HttpContext context, int most)
    {
        // One that is somewhat too large is read to its end and dropped: a client that is still sending when the connection closes
        // never sees the answer.
        var end = (long)most * Patience;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = end;
        if (context.Request.ContentLength > end)
            throw TooLarge(most);
        try
        {
            using var body = new MemoryStream();
            var buffer = new byte[64 * 1024];
            long total = 0;
            int count;
            while ((count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
            {
                total += count;
                if (total <= most)
                    body.Write(buffer, 0, count);
            }

            return total <= most ? body.ToArray() : throw TooLarge(most);
        }
        catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw TooLarge(most);
        }
        catch (BadHttpRequestException error)
        {
            throw new ApiError(error.StatusCode, $"The body did not arrive whole: {error.Message}");
        }
    }

    private static ApiError TooLarge(int most) => new(
        StatusCodes.Status413PayloadTooLarge, FormattableString.Invariant($"The body is larger than {most} bytes. Shorten it to at most that."), null, "body_too_large");

    private static ApiError WrongType(string? path, JsonElement root)
    {
        // $.a.b[3]['c'] is said as a.b[3].c.
        var field = (path ?? "$").Replace("['", ".", StringComparison.Ordinal).Replace("']", "", StringComparison.Ordinal).TrimStart('$').TrimStart('.');
        if (field.Length == 0)
            return ApiError.Bad(null, "The body is of another form than this endpoint's.");
        var name = field.Split('.', '[')[0];
        var value = root.TryGetProperty(name, out var found) ? Kind(found) : "missing";
        var expected = s_types.GetValueOrDefault(field) ?? s_types.GetValueOrDefault(name, "a value of the type that the API says");
        // Where it lies deeper, the outer value says nothing.
        return ApiError.Bad(field, field == name ? $"{field} is {value}. Give {expected}." : $"{field} has a value of another type. Give {expected} as {name}.");
    }
}
