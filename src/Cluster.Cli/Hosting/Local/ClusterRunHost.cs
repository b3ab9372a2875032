using System.Diagnostics;
using Cluster.Contracts.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Hosting.Local;

/// <summary>
/// Submits runs to a cluster and watches them. Whoever stops watching stops nothing: the run goes on, and may be
/// watched again by submitting it again.
/// </summary>
/// <param name="address">The cluster.</param>
/// <param name="command">How the user calls this program.</param>
public sealed class ClusterRunHost(ClusterAddress address, string command) : IRunHost
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    /// <summary>How long nobody may answer before whoever watches is told so; long beside an outage that a run outlives.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Of a cluster that <c>up</c> runs on this machine.</summary>
    public ClusterRunHost(ClusterState state, string command)
        : this(ClusterAddress.Of(state), command)
    {
    }

    /// <inheritdoc/>
    public async Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, int? webPort, CancellationToken cancellation)
    {
        await using var connection = await ClusterConnection.OpenAsync(address, cancellation);
        if (address.Web is { } page)
            (observer as IPageObserver)?.Serving(new Uri(page));
        var recipe = address.ThreadsPerReplica is { } threads && !request.Folder.Exists
            ? request.Recipe with { Training = request.Recipe.Training with { ThreadsPerReplica = threads } }
            : request.Recipe;
        var driver = connection.Grains.GetGrain<IRunDriverGrain>(request.Folder.Name);
        await driver.SubmitAsync(new RunSubmission(
            request.Folder.Path, RecipeJson.Canonical(recipe), request.CorpusPath is null ? null : Path.GetFullPath(request.CorpusPath), request.Replicas,
            request.StopAfter, request.SamplePrompt, DateTimeOffset.UtcNow));
        return await WatchAsync(driver, request.Folder, observer, cancellation);
    }

    private async Task<RunSummary> WatchAsync(IRunDriverGrain driver, RunFolder folder, IRunObserver observer, CancellationToken cancellation)
    {
        long seen = 0;
        var heard = Stopwatch.GetTimestamp();
        RunSummary? summary = null;
        while (true)
        {
            RunProgress progress;
            try
            {
                progress = await driver.WaitAsync(seen).WaitAsync(cancellation);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException)
            {
                // Its silo is gone; the next one is on its way, unless the cluster has ended.
                if (Stopwatch.GetElapsedTime(heard) > Patience)
                {
                    throw new UserErrorException($"No silo of {address.Name} has answered for {Patience.TotalSeconds:0} s.",
                        $"Once the cluster is back, watch the run again: {command} train --cluster --resume --out {Quoting.Argument(Rendering.Paths.ForPeople(folder.Path))}", error);
                }

                await Task.Delay(s_pause, cancellation);
                continue;
            }

            heard = Stopwatch.GetTimestamp();
            seen = progress.Next;
            foreach (var line in progress.Events)
            {
                var happened = RunJson.Parse<RunEvent>(line, "An event of the run");
                happened.Tell(observer);
                summary = happened.Summary ?? summary;
            }

            switch (progress.State)
            {
                case "done" when summary is not null:
                    return summary;
                case "done" when progress.Events.Count == 0:
                    return RunJson.Parse<RunSummary>(await File.ReadAllTextAsync(folder.Summary, cancellation), folder.Summary);
                case "failed":
                    throw new UserErrorException($"The run {folder.Name} failed: {progress.Reason}", "Submit it again with --resume.");
                case "cancelled":
                    throw new UserErrorException($"The run {folder.Name} was cancelled.", $"Go on with it: {command} train --cluster --resume --out {Quoting.Argument(Rendering.Paths.ForPeople(folder.Path))}");
                case "none":
                    throw new UserErrorException($"The cluster does not know the run {folder.Name} any more: its store has been emptied.", "Submit it again with --resume; it goes on from its last checkpoint.");
            }
        }
    }
}
