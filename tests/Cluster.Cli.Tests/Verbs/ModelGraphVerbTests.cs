using System.Text.Json;

namespace Cluster.Cli.Tests.Verbs;

public class ModelGraphVerbTests
{
    [Fact]
    public async Task Graph_Shape_FewerNodesAndBytesForTheSameWeights()
    {
        var root = await JsonAsync("--shape", "S");
        JsonElement before = root.GetProperty("before"), after = root.GetProperty("after");
        // Embedding, position, sum; 18 operations in each of 6 blocks; norm of 2, head.
        Assert.Equal(3 + 6 * 18 + 3, before.GetProperty("count").GetInt32());
        // Embedding, position, their sum with the first norm; in each block qkv, 3 slices, attention, output, norm, up, down and the next norm; head.
        Assert.Equal(3 + 6 * 10 + 1, after.GetProperty("count").GetInt32());
        Assert.Equal(after.GetProperty("count").GetInt32(), after.GetProperty("nodes").GetArrayLength());
        Assert.True(Cost(after, "activation_bytes") * 2 < Cost(before, "activation_bytes"));
        Assert.InRange(Cost(before, "weight_bytes") - Cost(after, "weight_bytes"), 1, 100_000);
        // Matrices in fp32: 6 · 12 · 256² and the head of 8,192 · 256.
        Assert.InRange(Cost(after, "weight_bytes"), 4 * (6 * 12 * 65_536 + 8_192 * 256), 4 * (6 * 12 * 65_536 + 8_192 * 256) + 10_000);
    }

    [Fact]
    public async Task Graph_WithoutPasses_AreNotApplied()
    {
        var root = await JsonAsync("--shape", "S", "--without", "fuse-qkv", "fuse-attention", "--precision", "bf16");
        var passes = root.GetProperty("passes").EnumerateArray().ToDictionary(pass => pass.GetProperty("name").GetString()!, pass => pass.GetProperty("applied").GetBoolean());
        Assert.Equal(6, passes.Count);
        Assert.All(passes, pass => Assert.Equal(pass.Key is not ("fuse-qkv" or "fuse-attention"), pass.Value));
        string[] operations = [.. root.GetProperty("after").GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("op").GetString()!)];
        Assert.Contains("softmax", operations);
        Assert.DoesNotContain("slice", operations);
        Assert.DoesNotContain("attention", operations);
    }

    [Fact]
    public async Task Graph_Table_ShowsBothGraphs()
    {
        var result = await Cli.RunAsync("model", "graph", "--shape", "M");
        Assert.Equal(0, result.Code);
        Assert.DoesNotContain('\e', result.Output);
        Assert.Contains("as written: 222 nodes", result.Output, StringComparison.Ordinal);
        Assert.Contains("as run: 124 nodes", result.Output, StringComparison.Ordinal);
        // Columns may break lines.
        var text = string.Concat(result.Output.Where(c => !char.IsWhiteSpace(c)));
        Assert.Contains("·diag(blocks.0.", text, StringComparison.Ordinal);
        // The head takes the final norm's output as it is: it is also the hidden state.
        Assert.DoesNotContain("diag(final_norm", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--shape", "L", "--shape is \"L\"")]
    [InlineData("--without", "fuse-all", "Not exactly one of --run and --shape")]
    [InlineData("--run", "nowhere", "nowhere")]
    public async Task Graph_BadInput_IsUserError(string option, string value, string part) =>
        Cli.AssertUserError(await Cli.RunAsync("model", "graph", option, value), part);

    [Fact]
    public async Task Graph_UnknownPass_IsUserError() =>
        Cli.AssertUserError(await Cli.RunAsync("model", "graph", "--shape", "S", "--without", "fuse-all"), "fuse-all", "fuse-qkv");

    private static long Cost(JsonElement graph, string name) => graph.GetProperty("cost").GetProperty(name).GetInt64();

    private static async Task<JsonElement> JsonAsync(params string[] arguments)
    {
        var result = await Cli.RunAsync(["model", "graph", .. arguments, "--json"]);
        Assert.Equal(0, result.Code);
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
