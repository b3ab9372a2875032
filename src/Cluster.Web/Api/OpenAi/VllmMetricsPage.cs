using System.Collections.Concurrent;
using System.Text;
using Cluster.Contracts.Inference;
using Cluster.ServiceDefaults;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Cluster.Web.Api.OpenAi;

/// <summary>
/// Adds <see cref="VllmMetrics"/> to the page of metrics where <c>Cluster:Inference:VllmMetricNames</c> is true: of all workers, on all
/// silos, of the models that were asked through this process. Where several web processes run, one of them is to be asked.
/// </summary>
internal sealed class VllmMetricsPage(InferenceClient client)
{
    private const string OpenMetrics = "openmetrics", End = "# EOF\n";
    private readonly ConcurrentDictionary<string, byte> _models = new(StringComparer.Ordinal);

    /// <summary>A request to a model was taken.</summary>
    public void Asked(string model) => _models.TryAdd(model, 0);

    /// <summary>Adds it to the processing of requests.</summary>
    public void Use(IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        if (context.Request.Path != ServiceDefaultsExtensions.MetricsPath)
        {
            await next(context);
            return;
        }

        // The page's end may be marked: what is added comes before it.
        var body = context.Response.Body;
        using var page = new MemoryStream();
        context.Response.Body = page;
        try
        {
            await next(context);
        }
        finally
        {
            context.Response.Body = body;
        }

        var isOpen = context.Response.ContentType?.Contains(OpenMetrics, StringComparison.Ordinal) == true;
        var text = Encoding.UTF8.GetString(page.ToArray());
        if (context.Response.StatusCode == StatusCodes.Status200OK)
        {
            var end = isOpen && text.EndsWith(End, StringComparison.Ordinal) ? End : "";
            text = text[..^end.Length] + VllmMetrics.Write(await FiguresAsync(context.RequestAborted), isOpen) + end;
        }

        context.Response.ContentLength = null;
        await context.Response.WriteAsync(text, context.RequestAborted);
    });

    private async Task<IReadOnlyDictionary<string, WorkerFigures>> FiguresAsync(CancellationToken cancellation)
    {
        var all = new Dictionary<string, WorkerFigures>(StringComparer.Ordinal);
        foreach (var figures in await Task.WhenAll(_models.Keys.Select(model => client.FiguresAsync(model, cancellation))))
        {
            foreach (var (key, worker) in figures)
                all[key] = worker;
        }

        return all;
    }
}
