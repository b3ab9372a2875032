using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Core.Tests.Recipes;

public class RecipeTests
{
    public static TheoryData<string> Names() => [.. NamedRecipes.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Parse_CanonicalForm_RoundTrips(string name)
    {
        var recipe = NamedRecipes.Get(name);
        recipe.Validate();
        var again = RecipeJson.Parse(RecipeJson.Indented(recipe), "the test");
        Assert.Equal(RecipeJson.Canonical(recipe), RecipeJson.Canonical(again));
        Assert.Equal(RecipeJson.Hash(recipe), RecipeJson.Hash(again));
        Assert.NotEqual(RecipeJson.Hash(recipe), RecipeJson.Hash(recipe with { Seed = recipe.Seed + 1 }));
    }

    [Fact]
    public void Parse_PartialRecipe_TakesDefaults() =>
        Assert.Equal(RecipeJson.Canonical(new Recipe { Seed = 5 }), RecipeJson.Canonical(RecipeJson.Parse("""{"seed": 5}""", "the test")));

    [Theory]
    [InlineData("""{"sede": 5}""", "sede")]
    [InlineData("""{"training": {"lanse": 5}}""", "lanse")]
    [InlineData("""{"training": {"lanes": 0}}""", "training.lanes is 0. Give a whole number from 1 to 65536.")]
    [InlineData("""{"training": {"lanes": "many"}}""", "training.lanes")]
    [InlineData("""{"training": {"learning_rate": -1}}""", "training.learning_rate is -1. Give a number above 0 to 1.")]
    [InlineData("""{"training": {"beta2": 1}}""", "training.beta2 is 1. Give a number from 0 to below 1.")]
    [InlineData("""{"model": {"width": 192, "heads": 5}}""", "model.heads is 5, which does not divide model.width 192.")]
    [InlineData("""{"model": {"activation": "relu"}}""", "model.activation")]
    [InlineData("""{"phases": [{"name": "all", "fraction": 0.9}]}""", "sum to 0.9")]
    [InlineData("""{"phases": [{"name": "all", "fraction": 1, "context_factor": 3}]}""", "context_factor is 3")]
    [InlineData("""{"training": {"reduction_precision": "fp16"}}""", "the value is none of fp32, bf16 at training.reduction_precision")]
    [InlineData("""{"training": {"activation_checkpointing": 1}}""", "the value is none of none, block at training.activation_checkpointing")]
    [InlineData("""{"seed": 5""", "the test is no recipe")]
    [InlineData("null", "the test is no recipe")]
    public void Parse_BadRecipe_NamesFieldAndValue(string json, string expected)
    {
        var error = Assert.Throws<UserErrorException>(() => RecipeJson.Parse(json, "the test"));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_Assignments_ReplaceFields()
    {
        var recipe = RecipeJson.With(new Recipe(), ["training.learning_rate=3e-4", "model.activation=gelu", "phases.0.fraction=0.02", "phases.1.fraction=0.78", "name=7"]);
        Assert.Equal(3e-4, recipe.Training.LearningRate);
        Assert.Equal(Cluster.Core.Models.Activation.Gelu, recipe.Model.Activation);
        Assert.Equal(0.02, recipe.Phases[0].Fraction);
        Assert.Equal("7", recipe.Name);
    }

    [Fact]
    public void Validate_OptimizerShardedAndReductionInBf16_NamesBothAndWhatToDo()
    {
        var error = Assert.Throws<UserErrorException>(() => RecipeJson.With(new Recipe(), ["training.sharded_optimizer=true", "training.reduction_precision=bf16"]).Resolved(80, 0, Precision.Fp32));
        Assert.Contains("training.sharded_optimizer is true and training.reduction_precision is bf16", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("training.lerning_rate=1", "lerning_rate")]
    [InlineData("training", "no assignment")]
    [InlineData("phases.9.fraction=1", "9")]
    [InlineData("training.steps=ten", "training.steps")]
    public void With_BadAssignment_NamesIt(string assignment, string expected) =>
        Assert.Contains(expected, Assert.Throws<UserErrorException>(() => RecipeJson.With(new Recipe(), [assignment])).Message, StringComparison.Ordinal);
}
