using System.Text.Json;

namespace Cluster.Cli.Tests.Verbs;

public class PlanVerbTests
{
    // GPT-3 on 1,024 A100 at 140 teraFLOP/s with activations computed again: 34 days (Narayanan et al. 2021, section 5.1).
    private static readonly string[] s_gpt3 =
        ["plan", "--parameters", "175B", "--tokens", "300G", "--devices", "1024", "--flops", "312T", "--mfu", "0.4487", "--checkpoint-activations", "--mtbf", "0"];

    [Fact]
    public async Task Plan_Gpt3_IsThePublishedTime()
    {
        using var json = JsonDocument.Parse((await Cli.RunAsync([.. s_gpt3, "--json"])).Output);
        var root = json.RootElement;
        Assert.InRange(root.GetProperty("days").GetDouble(), 33.5, 34.5);
        Assert.Equal(1, root.GetProperty("goodput").GetDouble());
        Assert.Equal(0, root.GetProperty("failures").GetDouble());
        Assert.False(root.TryGetProperty("fits", out _));
        Assert.Equal((96, 12_352), (root.GetProperty("layers").GetInt32(), root.GetProperty("width").GetInt32()));
    }

    [Fact]
    public async Task Plan_TableWithoutRoom_SaysSo()
    {
        var result = await Cli.RunAsync([.. s_gpt3, "--memory", "80G", "--price", "2"]);
        Assert.Equal(0, result.Code);
        Assert.Contains("NO: a model larger than one device's memory", result.Output, StringComparison.Ordinal);
        Assert.Contains("days on 1,024 devices", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_Recipe_TakesItsSizesAndTokens()
    {
        using var json = JsonDocument.Parse((await Cli.RunAsync("plan", "--recipe", "demo", "--flops", "1T", "--precision", "fp32", "--json")).Output);
        using var model = JsonDocument.Parse((await Cli.RunAsync("model", "describe", "--json")).Output);
        var root = json.RootElement;
        var memory = root.GetProperty("memory");
        // Weights with the copy that products read 8, of the recipe's four lanes three nodes and the reduced gradient 16, moments 8; the model itself says 16.
        Assert.Equal(
            model.RootElement.GetProperty("training_bytes").GetDouble() * 2,
            memory.GetProperty("weights").GetDouble() + memory.GetProperty("gradient").GetDouble() + memory.GetProperty("moments").GetDouble());
        Assert.Equal(3_000, root.GetProperty("steps").GetDouble());
    }

    [Fact]
    public async Task Plan_RecipesFieldsAndOptions_GiveTheSameMemory()
    {
        string[] plan = ["plan", "--recipe", "demo", "--flops", "1T", "--json"];
        var plain = await Memory(plan);
        var byField = await Memory([.. plan, "--set", "training.activation_checkpointing=block", "--set", "training.reduction_precision=bf16"]);
        Assert.Equal(byField, await Memory([.. plan, "--checkpoint-activations", "--reduction-precision", "bf16"]));
        Assert.True(byField.Activations < 0.6 * plain.Activations && byField.Gradient < 0.7 * plain.Gradient, $"{byField} against {plain}");

        static async Task<(double Gradient, double Activations)> Memory(string[] arguments)
        {
            using var json = JsonDocument.Parse((await Cli.RunAsync(arguments)).Output);
            var memory = json.RootElement.GetProperty("memory");
            return (memory.GetProperty("gradient").GetDouble(), memory.GetProperty("activations").GetDouble());
        }
    }

    [Theory]
    [InlineData("--parameters", "many")]
    [InlineData("--parameters", "-5")]
    [InlineData("--flops", "NaN")]
    public async Task Plan_NoNumber_NamesOptionAndValue(string option, string value)
    {
        var result = await Cli.RunAsync("plan", option, value, "--tokens", "1M");
        Assert.Equal(1, result.Code);
        Assert.Contains($"{option} is \"{value}\"", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_RecipeAndParameters_IsRefused() =>
        Assert.Contains("Give one of them", (await Cli.RunAsync("plan", "--recipe", "demo", "--parameters", "1B")).Error, StringComparison.Ordinal);
}
