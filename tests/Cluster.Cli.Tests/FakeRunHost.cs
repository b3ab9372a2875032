using Cluster.Cli.Hosting;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Tests;

/// <summary>Remembers what it was asked to run, and tells the observer what the test says.</summary>
internal sealed class FakeRunHost : IRunHost
{
    public RunRequest? Request { get; private set; }

    public int? WebPort { get; private set; }

    public Func<IRunObserver, CancellationToken, Task> Script { get; set; } = (_, _) => Task.CompletedTask;

    public async Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, int? webPort, CancellationToken cancellation)
    {
        (Request, WebPort) = (request, webPort);
        await Script(observer, cancellation);
        var summary = TestRuns.Summary(request.Folder.Name, request.Recipe);
        observer.Finished(summary);
        return summary;
    }
}

/// <summary>Run folders and records to read.</summary>
internal static class TestRuns
{
    public static RunSummary Summary(string name, Recipe recipe) => new()
    {
        Run = name,
        WeightsSha256 = new string('a', 64),
        Steps = 1_100,
        Tokens = 8_200_000,
        TrainLoss = 2.5,
        ValidationLoss = 2.25,
        ValidationBitsPerByte = 1.125,
        TokensPerSecond = 9_800,
        Mfu = 0.42,
        PeakGflops = 500,
        Parameters = 3_147_456,
        Replicas = 2,
        Seconds = 552,
        PeakMemoryBytes = 1_100_000_000,
        CheckpointsLoaded = 0,
        RecipeSha256 = RecipeJson.Hash(recipe),
        Recipe = recipe,
        Stages = [new StageRecord(StageNames.Corpus, 12, "in", "out", new Dictionary<string, string> { ["documents"] = "12,345" })],
    };

    /// <summary>A run that was begun; finished if so wanted.</summary>
    public static RunFolder Write(string path, bool finished, Recipe? recipe = null)
    {
        recipe ??= NamedRecipes.Get("demo");
        var run = new RunFolder(path);
        Directory.CreateDirectory(path);
        File.WriteAllText(run.Recipe, RecipeJson.Indented(recipe));
        File.WriteAllText(run.Metrics, string.Concat(((MetricPoint[])
        [
            new() { Stage = StageNames.Pretraining, Step = 339, Seconds = 33, Tokens = 339_000, ValidationLoss = 3.25 },
            new() { Stage = StageNames.Pretraining, Step = 340, Seconds = 34, Tokens = 340_000, Loss = 3.5 },
        ]).Select(point => RunJson.Line(point) + "\n")));
        if (!finished)
            return run;
        File.WriteAllText(run.Summary, RunJson.Document(Summary(run.Name, recipe)));
        File.WriteAllText(run.Samples, string.Concat(((Sample[])
        [
            new(StageNames.Pretraining, 100, 30, "The", "early text"),
            new(StageNames.Evaluation, 1_100, 500, "What is String?", "A string.", "Represents text as UTF-16."),
        ]).Select(sample => RunJson.Line(sample) + "\n")));
        return run;
    }
}
