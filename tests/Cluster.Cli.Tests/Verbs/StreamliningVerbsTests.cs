namespace Cluster.Cli.Tests.Verbs;

public class StreamliningVerbsTests
{
    [Theory]
    [InlineData("--format is \"int3\"", "quantize", "--format", "int3")]
    [InlineData("--head is \"fp8\"", "quantize", "--head", "fp8")]
    [InlineData("--activations is \"bf16\"", "quantize", "--activations", "bf16")]
    [InlineData("--head-activations is \"x\"", "quantize", "--head-activations", "x")]
    [InlineData("--kv is \"int4\"", "quantize", "--kv", "int4")]
    [InlineData("--bound is \"little\"", "quantize", "--bound", "little")]
    [InlineData("--bound is 0 %", "quantize", "--bound", "0%")]
    [InlineData("--name is \"a/b\"", "quantize", "--name", "a/b")]
    [InlineData("--threads is 0", "quantize", "--threads", "0")]
    [InlineData("--heads is 1", "prune", "--heads", "1")]
    [InlineData("--neurons is -0.5", "prune", "--neurons", "-0.5")]
    [InlineData("--scope is \"all\"", "prune", "--scope", "all")]
    [InlineData("--by is \"luck\"", "prune", "--by", "luck")]
    [InlineData("--steps is -1", "prune", "--steps", "-1")]
    [InlineData("There is no run", "quantize")]
    [InlineData("There is no run", "prune", "--heads", "0.5")]
    public async Task Model_BadOption_OneParagraphThatNamesIt(string what, string verb, params string[] options)
    {
        var result = await Cli.RunAsync(["model", verb, "--run", "/nowhere/at/all", .. options]);
        Assert.Equal(1, result.Code);
        Assert.Contains(what, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }
}
