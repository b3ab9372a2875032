using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Web.Api.OpenAi;

/// <summary>So many requests a minute for each key, or for each address where no keys are asked for or none was given.</summary>
internal static class RateLimits
{
    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);

    public static void Add(IServiceCollection services, ApiOptions options) => services.AddRateLimiter(limiter =>
    {
        limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
        limiter.AddPolicy(OpenAiEndpoints.RatePolicy, context => options.RequestsPerMinute == 0
            ? RateLimitPartition.GetNoLimiter("")
            : RateLimitPartition.GetFixedWindowLimiter(Who(context, options), _ => new FixedWindowRateLimiterOptions
            {
                PermitLimit = options.RequestsPerMinute,
                Window = s_window,
                QueueLimit = 0,
            }));
        limiter.OnRejected = async (rejected, _) =>
        {
            var wait = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : s_window;
            await new ApiError(StatusCodes.Status429TooManyRequests, string.Create(CultureInfo.InvariantCulture,
                $"More than {options.RequestsPerMinute} requests in a minute. Try again in {Math.Max(1, Math.Ceiling(wait.TotalSeconds))} s."), null, "rate_limit_exceeded")
                .WriteAsync(rejected.HttpContext, wait);
        };
    });

    private static string Who(HttpContext context, ApiOptions options) => options.KeyOf(context.Request.Headers.Authorization) is >= 0 and var key
        ? string.Create(CultureInfo.InvariantCulture, $"key {key}")
        : $"address {context.Connection.RemoteIpAddress}";
}
