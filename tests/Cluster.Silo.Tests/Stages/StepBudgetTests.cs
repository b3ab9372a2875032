using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Silo.Stages;

namespace Cluster.Silo.Tests.Stages;

public class StepBudgetTests
{
    private static readonly Recipe s_recipe = NamedRecipes.Get("demo").Resolved(4_096, 112, Precision.Fp32);

    [Fact]
    public void Fit_TwiceTheTime_AboutTwiceTheTokens()
    {
        Recipe once = StepBudget.Fit(s_recipe, 200, 10_000), twice = StepBudget.Fit(s_recipe, 400, 10_000);
        Assert.InRange((double)Tokens(twice) / Tokens(once), 1.95, 2.05);
        Assert.InRange((double)twice.FineTuning.Steps / once.FineTuning.Steps, 1.95, 2.05);
        once.Validate();
        // Within the time at the rate measured, and not far below it.
        Assert.InRange(Tokens(once) + new FineTuningSchedule(once).TokensUntil(once.FineTuning.Steps), 200 * 10_000 * 0.8, 200 * 10_000 * 0.9);
    }

    [Fact]
    public void Fit_NoTime_FewStepsButARecipe()
    {
        var recipe = StepBudget.Fit(s_recipe, -5, 10_000);
        recipe.Validate();
        Assert.Equal((20, 20), (recipe.Training.Steps, recipe.FineTuning.Steps));
    }

    [Fact]
    public void Fit_WithoutFineTuning_LeavesItOut()
    {
        var recipe = StepBudget.Fit(s_recipe with { FineTuning = new FineTuningRecipe() }, 200, 10_000);
        Assert.Equal(0, recipe.FineTuning.Steps);
        Assert.True(Tokens(recipe) > Tokens(StepBudget.Fit(s_recipe, 200, 10_000)));
    }

    private static long Tokens(Recipe recipe) => new PretrainingSchedule(recipe).TokensUntil(recipe.Training.Steps);
}
