using Cluster.Contracts.Inference;
using Microsoft.AspNetCore.Http;

namespace Cluster.Web.Api.OpenAi;

/// <summary>An answer that is no success, in the shape of OpenAI's errors.</summary>
/// <param name="status">Of HTTP.</param>
/// <param name="message">For a person: what is wrong, its value, what to do.</param>
/// <param name="parameter">The field of the request that is wrong, or null.</param>
/// <param name="code">For a program, or null.</param>
internal sealed class ApiError(int status, string message, string? parameter = null, string? code = null) : Exception(message)
{
    /// <summary>Of HTTP.</summary>
    public int Status => status;

    /// <summary>Whether the same request may succeed in a moment.</summary>
    private bool IsTransient => status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable;

    /// <summary>The body.</summary>
    public ErrorBody Body => new(new ErrorFields(Message, status switch
    {
        StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden => "authentication_error",
        StatusCodes.Status404NotFound => "not_found_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    }, parameter, code));

    /// <summary>A bad field.</summary>
    public static ApiError Bad(string? field, string message) => new(StatusCodes.Status400BadRequest, message, field, "invalid_value");

    /// <summary>What a refusal means to whoever uses HTTP.</summary>
    /// <param name="refusal">The pool's.</param>
    /// <param name="names">The request's own names of fields, where they differ from the pool's.</param>
    public static ApiError Of(Refusal refusal, IReadOnlyDictionary<string, string>? names = null)
    {
        var (field, message) = (refusal.Field, refusal.Message);
        if (field is not null && names?.GetValueOrDefault(field) is { } name)
            (field, message) = (name, message.StartsWith(field, StringComparison.Ordinal) ? name + message[field.Length..] : message);
        return refusal.Kind switch
        {
            RefusalKind.BadRequest => Bad(field, message),
            RefusalKind.PromptTooLong => new ApiError(StatusCodes.Status400BadRequest, message, field, "context_length_exceeded"),
            RefusalKind.UnknownModel => new ApiError(StatusCodes.Status404NotFound, message, field, "model_not_found"),
            RefusalKind.QueueFull => new ApiError(StatusCodes.Status429TooManyRequests, message, field, "queue_full"),
            RefusalKind.Unavailable => new ApiError(StatusCodes.Status503ServiceUnavailable, message, field, "unavailable"),
            RefusalKind.Deadline => new ApiError(StatusCodes.Status504GatewayTimeout, message, field, "timeout"),
            _ => new ApiError(StatusCodes.Status500InternalServerError, message, field, "failed"),
        };
    }

    /// <summary>Writes it; nothing but the connection's end can be said once an answer has begun.</summary>
    public async Task WriteAsync(HttpContext context, TimeSpan? retryAfter = null)
    {
        if (context.Response.HasStarted)
            return;
        context.Response.StatusCode = status;
        if (IsTransient)
            context.Response.Headers.RetryAfter = FormattableString.Invariant($"{Math.Max(1, Math.Ceiling(retryAfter?.TotalSeconds ?? 1))}");
        await context.Response.WriteAsJsonAsync(Body, ApiJson.Default.ErrorBody, cancellationToken: context.RequestAborted);
    }
}
