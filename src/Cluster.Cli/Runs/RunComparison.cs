// Enters: run folders. Leaves: where their recipes, losses and weights agree and part. Does not know: how they are drawn.
using System.Text.Json.Nodes;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Cli.Runs;

/// <summary>One run of a comparison.</summary>
/// <param name="Name">Its folder's name.</param>
/// <param name="RecipeSha256">Of its recipe.</param>
/// <param name="Steps">Of pre-training, as far as it is.</param>
/// <param name="Loss">Mean training loss of the last step, nats per token; null before the first.</param>
/// <param name="ValidationLoss">The last, nats per token; null before the first.</param>
/// <param name="BestValidationLoss">The lowest.</param>
/// <param name="BestAtStep">Where it was.</param>
/// <param name="ValidationBitsPerByte">Of the summary; null before the end.</param>
/// <param name="WeightsSha256">Of the newest checkpoint of pre-training; null where there is none.</param>
public sealed record ComparedRun(
    string Name, string RecipeSha256, long Steps, double? Loss, double? ValidationLoss, double? BestValidationLoss, long? BestAtStep,
    double? ValidationBitsPerByte, string? WeightsSha256);

/// <summary>A field in which recipes differ.</summary>
/// <param name="Field">As <c>--set</c> names it.</param>
/// <param name="Values">One for each run, as JSON; null where a run has no such field.</param>
public sealed record RecipeDifference(string Field, IReadOnlyList<string?> Values);

/// <summary>A validation that several runs made after the same number of steps.</summary>
/// <param name="Step">Steps applied.</param>
/// <param name="Losses">Nats per token, one for each run; null where it has none.</param>
public sealed record ComparedValidation(long Step, IReadOnlyList<double?> Losses);

/// <summary>Runs side by side, by what pre-training wrote down.</summary>
/// <param name="Runs">In the order given.</param>
/// <param name="Differences">Fields in which the recipes differ.</param>
/// <param name="CommonSteps">Steps that every run has a loss of.</param>
/// <param name="FirstUnequalStep">The first of them whose losses differ in any bit; null where all are equal.</param>
/// <param name="Validations">In order of steps.</param>
public sealed record RunComparison(
    IReadOnlyList<ComparedRun> Runs, IReadOnlyList<RecipeDifference> Differences, long CommonSteps, long? FirstUnequalStep,
    IReadOnlyList<ComparedValidation> Validations)
{
    /// <summary>Reads and compares.</summary>
    /// <param name="folders">At least two runs.</param>
    /// <exception cref="UserErrorException">A folder holds no run, or a file of it is damaged.</exception>
    public static RunComparison Of(IReadOnlyList<RunFolder> folders)
    {
        var recipes = folders.Select(folder => RunList.Recipe(folder.Required())).ToArray();
        var metrics = folders.Select(f => RunJson.ReadLines<MetricPoint>(f.Metrics).Where(p => p.Stage == StageNames.Pretraining).ToArray()).ToArray();
        var losses = metrics.Select(points => Series(points, p => p.Loss)).ToArray();
        var validations = metrics.Select(points => Series(points, p => p.ValidationLoss)).ToArray();
        var common = losses.Select(s => s.Keys.AsEnumerable()).Aggregate((a, b) => a.Intersect(b)).Order().ToArray();
        return new RunComparison(
            [.. folders.Select((folder, i) => Run(folder, recipes[i], losses[i], validations[i]))],
            Differing([.. recipes.Select(r => Fields(JsonNode.Parse(RecipeJson.Canonical(r))!, ""))]),
            common.Length,
            common.Cast<long?>().FirstOrDefault(step => losses.Select(s => BitConverter.DoubleToInt64Bits(s[step!.Value])).Distinct().Count() > 1),
            [.. validations.SelectMany(s => s.Keys).Distinct().Order().Select(step =>
                new ComparedValidation(step, [.. validations.Select(s => s.TryGetValue(step, out var loss) ? loss : (double?)null)]))]);
    }

    private static ComparedRun Run(RunFolder folder, Recipe recipe, SortedDictionary<long, double> losses, SortedDictionary<long, double> validations)
    {
        var best = validations.OrderBy(v => v.Value).ThenBy(v => v.Key).Select(v => ((long, double)?)(v.Key, v.Value)).FirstOrDefault();
        var checkpoint = new CheckpointStore(folder.Checkpoints(StageNames.Pretraining), recipe.Training.KeepCheckpoints).List().LastOrDefault(c => c.Manifest.IsOf(recipe));
        return new ComparedRun(folder.Name, RecipeJson.Hash(recipe), losses.Count == 0 ? 0 : losses.Keys.Max(), losses.Count == 0 ? null : losses.Values.Last(),
            validations.Count == 0 ? null : validations.Values.Last(), best?.Item2, best?.Item1,
            RunList.IsFinished(folder) ? RunList.Summary(folder).ValidationBitsPerByte : null, checkpoint?.Manifest.WeightsSha256);
    }

    private static SortedDictionary<long, double> Series(MetricPoint[] points, Func<MetricPoint, double?> value)
    {
        var series = new SortedDictionary<long, double>();
        foreach (var point in points)
        {
            if (value(point) is { } number)
                series[point.Step] = number;
        }

        return series;
    }

    private static IReadOnlyList<RecipeDifference> Differing(IReadOnlyList<Dictionary<string, string>> recipes) =>
    [
        .. recipes.SelectMany(fields => fields.Keys).Distinct(StringComparer.Ordinal)
            .Select(field => new RecipeDifference(field, [.. recipes.Select(fields => fields.GetValueOrDefault(field))]))
            .Where(difference => difference.Values.Distinct(StringComparer.Ordinal).Count() > 1),
    ];

    /// <summary>Every leaf by the name that <c>--set</c> gives it.</summary>
    private static Dictionary<string, string> Fields(JsonNode? node, string path)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        Add(node, path);
        return fields;

        void Add(JsonNode? at, string name)
        {
            switch (at)
            {
                case JsonObject record:
                    foreach (var (key, value) in record)
                        Add(value, name.Length == 0 ? key : $"{name}.{key}");
                    break;
                case JsonArray list:
                    for (var i = 0; i < list.Count; i++)
                        Add(list[i], $"{name}.{i}");
                    break;
                default:
                    if (at is not null)
                        fields[name] = at.ToJsonString();
                    break;
            }
        }
    }
}
