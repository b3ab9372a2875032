using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Core.Tests.Recipes;

public class StageScheduleTests
{
    private static readonly Recipe s_recipe = NamedRecipes.Get("demo").Resolved(4_000, 96, Precision.Bf16);

    [Theory]
    [InlineData(StageNames.Pretraining)]
    [InlineData(StageNames.FineTuning)]
    public void TokensUntil_IsThePrefixSumOfItsSteps(string stage)
    {
        var schedule = StageSchedule.Of(s_recipe, stage);
        long sum = 0;
        for (var step = 0; step < schedule.Steps; step++)
        {
            Assert.Equal(sum, schedule.TokensUntil(step));
            sum += schedule[step].Tokens;
        }

        Assert.Equal(sum, schedule.TokensUntil(schedule.Steps));
    }

    [Theory]
    [InlineData(0, 100, 30)]
    [InlineData(30, 100, 50)]
    [InlineData(50, 100, 60)]
    [InlineData(90, 100, 100)]
    [InlineData(0, 7, 7)]
    public void NextHalt_IsTheNextValidationOrCheckpointOrTheLast(long steps, long last, long expected)
    {
        var schedule = StageSchedule.Of(s_recipe with { Training = s_recipe.Training with { EvaluateEvery = 30, CheckpointEvery = 50 } }, StageNames.Pretraining);
        Assert.Equal(expected, schedule.NextHalt(steps, last));
    }

    [Fact]
    public void FineTuning_Rate_RisesThenFallsToItsEnd()
    {
        var schedule = new FineTuningSchedule(s_recipe);
        var rates = Enumerable.Range(0, schedule.Steps).Select(s => schedule[s].LearningRate).ToArray();
        var peak = Array.IndexOf(rates, rates.Max());
        Assert.InRange(peak, 0.04 * schedule.Steps, 0.06 * schedule.Steps);
        Assert.Equal(s_recipe.FineTuning.LearningRate * s_recipe.FineTuning.RateEnd, rates[^1], 12);
        Assert.True(rates.Zip(rates.Skip(1)).Select((pair, i) => i < peak ? pair.First <= pair.Second : pair.First >= pair.Second).All(ordered => ordered));
    }

    [Fact]
    public void Resolved_Twice_ChangesNothing()
    {
        Assert.Equal(RecipeJson.Hash(s_recipe), RecipeJson.Hash(s_recipe.Resolved(4_000, 112, Precision.Fp32)));
        Assert.Equal((4_000, 512, Precision.Bf16, 96), (s_recipe.Model.Vocabulary, s_recipe.Model.MaxContext, s_recipe.Training.Precision, s_recipe.FineTuning.RowLength));
    }

    [Fact]
    public void Resolved_VocabularyBelowTheTokenizers_NamesBoth()
    {
        var recipe = NamedRecipes.Get("demo");
        var error = Assert.Throws<UserErrorException>(() => (recipe with { Model = recipe.Model with { Vocabulary = 512 } }).Resolved(4_000, 96, Precision.Fp32));
        Assert.Contains("512", error.Message, StringComparison.Ordinal);
        Assert.Contains("4000", error.Message, StringComparison.Ordinal);
    }
}
