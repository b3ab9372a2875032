using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Cluster.ServiceDefaults;

/// <summary>
/// What every process of the cluster says about itself: metrics, traces and logs by OpenTelemetry, whether it lives, whether it is ready.
/// Knows no grain and no page; a process adds its own checks with the tag <see cref="Ready"/>.
/// </summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Tag of a check that must pass before a process is given work.</summary>
    public const string Ready = "ready";

    /// <summary>Path of readiness: 200 when every check with the tag <see cref="Ready"/> passes, else 503.</summary>
    public const string HealthPath = "/health";

    /// <summary>Path of liveness: 200 as long as requests are answered at all.</summary>
    public const string AlivePath = "/alive";

    // Each of them has something sent; the exporter reads them itself.
    private static readonly string[] s_endpoints =
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    ];

    /// <summary>Path of the metrics in Prometheus' text format.</summary>
    public const string MetricsPath = "/metrics";

    /// <summary>
    /// Adds metrics (meters <c>Cluster.*</c> and <c>Microsoft.Orleans</c>, runtime, ASP.NET), traces, logs and health checks. All are
    /// sent by OTLP where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set; the other variables of OpenTelemetry's specification hold too. A second
    /// call on the same builder does nothing.
    /// </summary>
    /// <param name="builder">Of the host.</param>
    /// <param name="service">The kind of process, where <c>OTEL_SERVICE_NAME</c> gives no name.</param>
    /// <param name="instance">Which of its kind it is; null takes machine and process.</param>
    public static void AddServiceDefaults(this IHostApplicationBuilder builder, string service = "cluster", string? instance = null)
    {
        if (builder.Services.Any(service => service.ServiceType == typeof(Added)))
            return;
        builder.Services.AddSingleton<Added>();
        builder.Services.AddHealthChecks();
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource =>
            {
                if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_SERVICE_NAME"]))
                    resource.AddService(service, serviceInstanceId: instance ?? $"{Environment.MachineName}:{Environment.ProcessId}");
            })
            .WithMetrics(metrics => metrics
                .AddMeter("Cluster.*", "Microsoft.Orleans")
                .AddAspNetCoreInstrumentation()
                .AddRuntimeInstrumentation()
                .AddPrometheusExporter());
        // Spans that go nowhere would only cost.
        if (!s_endpoints.Any(key => !string.IsNullOrWhiteSpace(builder.Configuration[key])))
            return;
        telemetry.WithTracing(traces =>
        {
            traces.AddSource("Cluster.*", "Microsoft.Orleans.Application").AddAspNetCoreInstrumentation(options => options.Filter = IsNoProbe);
            if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_TRACES_SAMPLER"]))
                traces.SetSampler(new TraceSampler());
        });
        builder.Logging.AddOpenTelemetry(logs =>
        {
            logs.IncludeFormattedMessage = true;
            logs.IncludeScopes = true;
        });
        telemetry.UseOtlpExporter();
    }

    /// <summary>Maps <see cref="HealthPath"/>, <see cref="AlivePath"/> and <see cref="MetricsPath"/>, in every environment.</summary>
    public static void MapServiceDefaults(this WebApplication app)
    {
        app.MapHealthChecks(
            HealthPath, new HealthCheckOptions { Predicate = check => check.Tags.Contains(Ready), ResponseWriter = WriteAsync });
        app.MapHealthChecks(AlivePath, new HealthCheckOptions { Predicate = _ => false });
        app.MapPrometheusScrapingEndpoint(MetricsPath);
    }

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        var lines = report.Entries.Select(entry =>
            $"{entry.Key}: {entry.Value.Status}{(entry.Value.Description is { } text ? $", {text}" : "")}");
        return context.Response.WriteAsync(string.Join('\n', [report.Status.ToString(), .. lines]), context.RequestAborted);
    }

    private static bool IsNoProbe(HttpContext context) =>
        !context.Request.Path.StartsWithSegments(HealthPath, StringComparison.Ordinal)
        && !context.Request.Path.StartsWithSegments(AlivePath, StringComparison.Ordinal)
        && !context.Request.Path.StartsWithSegments(MetricsPath, StringComparison.Ordinal);

    private sealed class Added;
}
