using Cluster.Core.Recipes;

namespace Cluster.Silo.Stages;

/// <summary>Turns a time to use into steps: pure arithmetic over a measured rate, so that the recipe that leaves here is concrete.</summary>
internal static class StepBudget
{
    /// <summary>Share of the training time that pre-training takes where fine-tuning follows.</summary>
    private const double PretrainingShare = 0.75;

    /// <summary>Share of the bare rate of forward and backward passes that is left with optimizer, exchange, validation and checkpoints.</summary>
    private const double Efficiency = 0.88;

    private const int FewestSteps = 20;

    /// <summary>The recipe with steps, and how often to look and save, for so many seconds of training.</summary>
    /// <param name="recipe">Resolved but for the steps.</param>
    /// <param name="seconds">Of training, both stages together.</param>
    /// <param name="tokensPerSecond">Measured, forward and backward only.</param>
    public static Recipe Fit(Recipe recipe, double seconds, double tokensPerSecond)
    {
        var tunes = recipe.FineTuning.Steps > 0;
        var tokens = Math.Max(0, seconds) * tokensPerSecond * Efficiency;
        var share = tunes ? PretrainingShare : 1;
        // Batches grow, so a step's mean tokens depend on the phases' shares; a long schedule gives the mean without rounding.
        var probe = new PretrainingSchedule(recipe with { Training = recipe.Training with { Steps = 10_000 } });
        var steps = Steps(tokens * share, probe.TokensUntil(10_000) / 10_000.0);
        var tuned = tunes ? Steps(tokens * (1 - share), new FineTuningSchedule(recipe)[0].Tokens) : 0;
        return recipe with
        {
            Training = recipe.Training with { Steps = steps, EvaluateEvery = Every(steps, 10), CheckpointEvery = Every(steps, 5) },
            FineTuning = recipe.FineTuning with { Steps = tuned, EvaluateEvery = Every(tuned, 4), CheckpointEvery = Every(tuned, 2) },
        };
    }

    private static int Steps(double tokens, double perStep) => Math.Max(FewestSteps, (int)Math.Min(100_000_000, tokens / perStep));

    private static int Every(int steps, int times) => (steps + times - 1) / times;
}
