using System.Globalization;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;

namespace Cluster.Silo.Tests.Reports;

/// <summary>Made-up runs. Figures are chosen so that each is found in a text only if it was taken from there.</summary>
internal static class Runs
{
    public static Recipe Recipe { get; } = new()
    {
        Name = "made-up",
        Model = new ModelShape { Layers = 2, Width = 64, Heads = 4, Context = 32, MaxContext = 64, Vocabulary = 512 },
        Training = new TrainingRecipe { Steps = 1_000, Lanes = 4, MicroBatch = 4 },
    };

    public static RunSummary Summary { get; } = new()
    {
        Run = "made-up",
        WeightsSha256 = new string('a', 64),
        Steps = 1_234,
        Tokens = 5_678_901,
        TrainLoss = 2.34567,
        ValidationLoss = 2.45678,
        ValidationBitsPerByte = 1.23456,
        DialogueValidationLoss = 1.98765,
        TokensPerSecond = 43_210.9,
        Mfu = 0.4567,
        PeakGflops = 321,
        Parameters = new ParameterLayout(Recipe.Model).ParameterCount,
        Replicas = 3,
        Seconds = 372.4,
        PeakMemoryBytes = 1_050_000_000,
        CheckpointsLoaded = 7,
        RecipeSha256 = new string('b', 64),
        Recipe = Recipe,
        Stages =
        [
            new StageRecord(StageNames.Corpus, 12.34, "", new string('c', 64), new Dictionary<string, string> { ["documents"] = "8,765" }),
            new StageRecord(StageNames.Pretraining, 300.1, "", new string('d', 64), new Dictionary<string, string> { ["tokens"] = "4,004,004", ["odd|name"] = "a|b\nc" }),
            new StageRecord(StageNames.FineTuning, 59.96, "", new string('e', 64), new Dictionary<string, string>()),
        ],
    };

    public static CorpusReport Corpus { get; } = new()
    {
        Source = "text in /data/it's here",
        Files = 31,
        BytesIn = 75_123_456,
        BytesOut = 29_876_543,
        InvalidUtf8Sequences = 17,
        Stages = [new CorpusStage("curation", 4_321, 3_210, 70_000_001, 60_000_002, new Dictionary<string, long> { ["too_short"] = 1_100, ["duplicate_document"] = 11 })],
        Split = new SplitReport(CorpusSplit.ByGroup, "Each of 987 groups is in one part.", 987,
            [new SplitPartReport("train", 0.9, 2_900, 26_000_003), new SplitPartReport("validation", 0.05, 160, 2_000_004), new SplitPartReport("test", 0.05, 150, 1_876_536)]),
        ValidationOverlap = new NgramOverlapReport(13, 200_000, 50_000, 155, 44, 22, 5, 1),
        TestOverlap = new NgramOverlapReport(13, 190_000, 9_500, 149, 33, 21, 2, 0),
        QualityScorer = "heuristic-1",
        BestDocuments = 290,
        BestBytes = 5_432_100,
        Conversations = new Dictionary<string, int> { ["train"] = 9_001, ["validation"] = 501, ["test"] = 502 },
        Warnings = ["1. Two files | were <skipped>."],
        ContentSha256 = new string('f', 64),
        DialoguesSha256 = new string('1', 64),
    };

    /// <summary>Curves like a real run's: falling loss with noise, validations between, a stretch of steps written twice.</summary>
    public static List<MetricPoint> Metrics(int steps = 1_000, int tuningSteps = 200)
    {
        var random = new Random(1);
        var schedule = new Schedule(Recipe);
        var points = new List<MetricPoint>();
        for (var step = 1; step <= steps; step++)
        {
            points.Add(Point(StageNames.Pretraining, step, 2 + 6.3 * Math.Exp(-step / 80.0) + 0.25 * (random.NextDouble() - 0.5)) with
            {
                LearningRate = schedule[step - 1].LearningRate,
                GradientNorm = 0.4 + 3 * Math.Exp(-step / 50.0) + 0.2 * random.NextDouble(),
                TokensPerSecond = 43_000 + 3_000 * random.NextDouble(),
            });
            if (step % 100 == 0)
                points.Add(Point(StageNames.Pretraining, step, null) with { ValidationLoss = 2.1 + 6.3 * Math.Exp(-step / 80.0) });
        }

        for (var step = 1; step <= tuningSteps; step++)
            points.Add(Point(StageNames.FineTuning, step, 1.8 + Math.Exp(-step / 30.0) + 0.3 * (random.NextDouble() - 0.5)) with { ValidationLoss = step % 50 == 0 ? 1.9 : null });
        return points;
    }

    public static List<Sample> Samples(int count = 4) =>
        [.. Enumerable.Range(0, count).Select(i => new Sample(StageNames.Pretraining, 100 * i, 30 * i, "The String class", string.Create(CultureInfo.InvariantCulture, $"sample number {i}")))];

    public static List<Sample> HeldOut { get; } =
    [
        new(StageNames.Evaluation, 1_234, 372, "What does String.Trim() do?", "It returns a new string.", "Removes all leading and trailing white-space."),
        new(StageNames.Evaluation, 1_234, 372, "What is a Guid?", "", null),
    ];

    private static MetricPoint Point(string stage, long step, double? loss) => new()
    {
        Stage = stage,
        Step = step,
        Seconds = step * 0.3,
        Tokens = step * 512,
        Loss = loss,
    };
}
