using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Cluster.Contracts.Runs;
using Cluster.Core.Runs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans;
using Orleans.Runtime;

namespace Cluster.Web.Api;

/// <summary>
/// What the cluster knows of its runs, as JSON in snake_case. In: a run's name and a place in its lines. Out: statuses, and lines as the
/// run wrote them. Errors are problem documents: 400 for a bad place, 404 for an unknown run, 503 while the cluster does not answer.
/// </summary>
internal static class RunEndpoints
{
    // The page asks every second; a list that long serves nobody.
    private const int MostRuns = 100, LongestName = 200;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var runs = routes.MapGroup("/api/runs").AddEndpointFilter(AnswerAsync);
        runs.MapGet("", ListAsync);
        runs.MapGet("{run}", StatusAsync);
        runs.MapGet("{run}/metrics", (string run, string? after, IGrainFactory grains) =>
            LinesAsync(run, after, grains, (grain, place) => grain.GetMetricsAsync(place)));
        runs.MapGet("{run}/samples", (string run, string? after, IGrainFactory grains) =>
            LinesAsync(run, after, grains, (grain, place) => grain.GetSamplesAsync(place)));
    }

    private static async Task<IResult> ListAsync(IGrainFactory grains)
    {
        var names = await Within(grains.Find<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync());
        var statuses = await Task.WhenAll(names.Take(MostRuns).Select(name => Within(grains.Find<IRunGrain>(name).GetStatusAsync())));
        return Json(new { Runs = statuses.OfType<RunStatus>() });
    }

    private static async Task<IResult> StatusAsync(string run, IGrainFactory grains) =>
        await FindAsync(run, grains) is var (_, status) ? Json(status) : Unknown(run);

    private static async Task<IResult> LinesAsync(
        string run, string? after, IGrainFactory grains, Func<IRunGrain, long, Task<RunLines>> read)
    {
        var place = 0L;
        if (after is not null && !long.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out place))
            return Problem(StatusCodes.Status400BadRequest, $"after is \"{after}\".", "Give 0, or the next of the answer before.");
        return await FindAsync(run, grains) is var (grain, _) ? Raw(await Within(read(grain, place))) : Unknown(run);
    }

    private static async Task<(IRunGrain Grain, RunStatus Status)?> FindAsync(string run, IGrainFactory grains)
    {
        if (run.Length > LongestName)
            return null;
        var grain = grains.Find<IRunGrain>(run);
        return await Within(grain.GetStatusAsync()) is { } status ? (grain, status) : null;
    }

    private static Task<T> Within<T>(Task<T> answer) => answer.WaitAsync(s_patience);

    private static async ValueTask<object?> AnswerAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        context.HttpContext.Response.Headers.CacheControl = "no-store";
        context.HttpContext.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            return await next(context);
        }
        catch (Exception error) when (error is OrleansException or TimeoutException or ObjectDisposedException)
        {
            return Problem(StatusCodes.Status503ServiceUnavailable, "The cluster does not answer.", "Start a silo, or wait until it has started.");
        }
    }

    private static IResult Json<T>(T value) => Results.Text(RunJson.Line(value), "application/json");

    /// <summary>{"lines":[…],"next":N}. A line that is no JSON is left out, so that one damaged line does not hide the others.</summary>
    private static IResult Raw(RunLines stretch)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("lines");
            foreach (var line in stretch.Lines)
            {
                try
                {
                    json.WriteRawValue(line);
                }
                catch (JsonException)
                {
                    // The writer looks at the whole value before it writes the first byte of it.
                }
            }

            json.WriteEndArray();
            json.WriteNumber("next", stretch.Next);
            json.WriteEndObject();
        }

        return Results.Bytes(buffer.WrittenMemory, "application/json");
    }

    private static IResult Unknown(string run) =>
        Problem(
        StatusCodes.Status404NotFound, $"No run is called \"{run}\".", "GET /api/runs lists the runs that this cluster has seen since it started.");

    private static IResult Problem(int status, string title, string detail) =>
        Results.Problem(statusCode: status, title: title, detail: detail);
}
