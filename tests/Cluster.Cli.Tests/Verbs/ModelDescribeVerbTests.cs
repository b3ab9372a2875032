using System.Text.Json;

namespace Cluster.Cli.Tests.Verbs;

public class ModelDescribeVerbTests
{
    [Fact]
    public async Task Describe_Demo_AddsUp()
    {
        var result = await Cli.RunAsync("model", "describe", "--json");
        Assert.Equal(0, result.Code);
        using var json = JsonDocument.Parse(result.Output);
        var root = json.RootElement;
        Assert.Equal(4_212_992, root.GetProperty("parameters").GetInt64());
        Assert.Equal(4_212_992, root.GetProperty("parts").EnumerateArray().Sum(part => part.GetProperty("parameters").GetInt64()));
        Assert.Equal(512, root.GetProperty("shape").GetProperty("max_context").GetInt32());
    }

    [Fact]
    public async Task Describe_DepthAndSet_ApplyInThatOrder()
    {
        var result = await Cli.RunAsync("model", "describe", "--depth", "12", "--set", "model.layers=2", "--set", "model.context=128", "--json");
        using var json = JsonDocument.Parse(result.Output);
        var shape = json.RootElement.GetProperty("shape");
        Assert.Equal((2, 768, 12, 128),
            (shape.GetProperty("layers").GetInt32(), shape.GetProperty("width").GetInt32(), shape.GetProperty("heads").GetInt32(), shape.GetProperty("context").GetInt32()));
    }

    [Fact]
    public async Task Describe_Table_HasNoEscapeSequences()
    {
        var result = await Cli.RunAsync("model", "describe");
        Assert.DoesNotContain('\e', result.Output);
        Assert.Contains("total                4,212,992  100.0 %", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Describe_Characters_SaysThatTheVocabularyIsAssumed() =>
        Assert.Contains("96 is assumed", (await Cli.RunAsync("model", "describe", "--recipe", "shakespeare-char")).Error, StringComparison.Ordinal);

    [Theory]
    [InlineData("--recipe", "nothing", "--recipe nothing is neither")]
    [InlineData("--depth", "65", "depth is 65")]
    [InlineData("--set", "model.heads=5", "model.heads is 5, which does not divide model.width 256")]
    [InlineData("--set", "model.hats=5", "\"hats\" is unknown")]
    [InlineData("--set", "model.heads", "is no assignment")]
    [InlineData("--set", "training.learning_rate=2", "training.learning_rate is 2")]
    public async Task Describe_BadInput_IsUserError(string option, string value, string part) =>
        Cli.AssertUserError(await Cli.RunAsync("model", "describe", option, value), part);

    [Fact]
    public async Task Describe_RecipeFile_UnknownFieldIsNamed()
    {
        using var folder = new TempFolder();
        var good = folder.Write("good.json", """{ "name": "good", "model": { "layers": 2 } }""");
        Assert.Equal(0, (await Cli.RunAsync("model", "describe", "--recipe", good)).Code);
        var bad = folder.Write("bad.json", """{ "model": { "layerz": 2 } }""");
        Cli.AssertUserError(await Cli.RunAsync("model", "describe", "--recipe", bad), bad, "layerz");
    }
}
