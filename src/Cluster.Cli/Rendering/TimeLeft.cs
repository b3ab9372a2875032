using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Cli.Rendering;

/// <summary>How long a stage of training goes on.</summary>
public static class TimeLeft
{
    /// <summary>
    /// Seconds to the stage's end: by tokens where their number is known, because later steps hold more of them, else by steps.
    /// Null before anything is known.
    /// </summary>
    /// <param name="point">The latest figures.</param>
    /// <param name="totalSteps">Steps that the stage goes to.</param>
    /// <param name="totalTokens">Tokens of all those steps, or null.</param>
    public static double? Seconds(MetricPoint point, long totalSteps, long? totalTokens)
    {
        if (totalTokens is { } tokens && point.TokensPerSecond is > 0 and { } rate)
            return Math.Max(0, tokens - point.Tokens) / rate;
        return point.Step > 0 ? Math.Max(0, totalSteps - point.Step) * point.Seconds / point.Step : null;
    }

    /// <summary>Tokens of a recipe's pre-training, or null if it goes to another number of steps.</summary>
    public static long? PretrainingTokens(Recipe recipe, long totalSteps)
    {
        if (recipe.Training.Steps != totalSteps)
            return null;
        var schedule = new Schedule(recipe);
        return Enumerable.Range(0, recipe.Phases.Count).Sum(schedule.TokensOf);
    }
}
