using System.Text.Json;
using Cluster.Cli.Benchmarks;
using Cluster.Core.Models;

namespace Cluster.Cli.Tests.Verbs;

/// <summary>The verb on a model of random weights, one token per byte.</summary>
public sealed class GenerateVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _run;

    public GenerateVerbTests()
    {
        var name = ServedModel.Write(_folder.Path, "tiny", new ModelShape { Layers = 2, Width = 32, Heads = 2, Context = 64 });
        _run = Path.Combine(_folder.Path, name);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Generate_SeveralRepliesWithLogprobs_FirstIsThatOfOneAlone()
    {
        using var several = await JsonAsync("--n", "3", "--seed", "7", "--max-tokens", "9", "--logprobs", "2", "--min-p", "0.001", "--presence-penalty", "0.5");
        using var one = await JsonAsync("--seed", "7", "--max-tokens", "9", "--min-p", "0.001", "--presence-penalty", "0.5");

        var choices = several.RootElement.GetProperty("choices").EnumerateArray().ToList();
        Assert.Equal(3, choices.Count);
        Assert.Equal(3, choices.Select(Text).Distinct().Count());
        Assert.Equal(Text(one.RootElement), Text(choices[0]));
        Assert.Equal(Text(choices[0]), Text(several.RootElement));
        foreach (var choice in choices)
        {
            var tokens = choice.GetProperty("tokens").EnumerateArray().ToList();
            Assert.Equal(choice.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), tokens.Select(token => token.GetProperty("id").GetInt32()));
            Assert.All(tokens, token => Assert.True(token.GetProperty("logprob").GetDouble() <= 0));
            Assert.All(tokens, token => Assert.Equal(2, token.GetProperty("top").GetArrayLength()));
        }

        Assert.False(one.RootElement.TryGetProperty("tokens", out _));
        Assert.False(one.RootElement.TryGetProperty("choices", out _));

        static string Text(JsonElement reply) => reply.GetProperty("text").GetString()!;
    }

    [Fact]
    public async Task Generate_LogitBias_DecidesEveryToken()
    {
        using var reply = await JsonAsync("--greedy", "--max-tokens", "5", "--logit-bias", "65=100", "--logit-bias", "66=-100");

        Assert.All(reply.RootElement.GetProperty("ids").EnumerateArray(), id => Assert.Equal(65, id.GetInt32()));
        using var penalised = await JsonAsync("--greedy", "--max-tokens", "3", "--logit-bias", "65=3", "--frequency-penalty", "2", "--logit-bias", "66=2");
        Assert.True(penalised.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).Distinct().Count() > 1);
    }

    [Fact]
    public async Task Generate_FormatOfASchema_ReplyFitsIt()
    {
        var schema = Path.Combine(_folder.Path, "schema.json");
        await File.WriteAllTextAsync(schema, """{"type":"object","properties":{"ok":{"type":"boolean"},"kind":{"enum":["a","b"]}},"required":["ok","kind"],"additionalProperties":false}""");
        using var reply = await JsonAsync("--format", schema, "--max-tokens", "60", "--temperature", "1");

        Assert.Equal("stop", reply.RootElement.GetProperty("finish").GetString());
        using var document = JsonDocument.Parse(reply.RootElement.GetProperty("text").GetString()!);
        Assert.Equal(["ok", "kind"], document.RootElement.EnumerateObject().Select(property => property.Name));

        using var any = await JsonAsync("--format", "json", "--max-tokens", "5");
        Assert.StartsWith("{", any.RootElement.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Generate_SeveralRepliesAsText_Numbered()
    {
        var result = await RunAsync("--n", "2", "--greedy", "--max-tokens", "2", "--logit-bias", "65=100");
        Assert.Equal(0, result.Code);
        var lines = result.Output.Split('\n');
        Assert.Equal(("[1]", "[2]", lines[1]), (lines[0], lines[2], lines[3]));
    }

    [Theory]
    [InlineData("--logit-bias is \"65\".", "--logit-bias", "65")]
    [InlineData("logit_bias is a map with the id 9999.", "--logit-bias", "9999=1")]
    [InlineData("--logprobs is 2 without --json.", "--logprobs", "2")]
    [InlineData("--format is \"nowhere.json\"", "--format", "nowhere.json")]
    [InlineData("min_p is 2.", "--min-p", "2")]
    [InlineData("n is 17.", "--n", "17")]
    [InlineData("presence_penalty is 3.", "--presence-penalty", "3")]
    public async Task Generate_BadOption_SaysWhichAndWhatIsAllowed(string what, params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.NotEqual(0, result.Code);
        Assert.Contains(what, result.Error, StringComparison.Ordinal);
    }

    private Task<CliResult> RunAsync(params string[] arguments) => Cli.RunAsync(["generate", "--run", _run, "--prompt", "Once", .. arguments]);

    private async Task<JsonDocument> JsonAsync(params string[] arguments)
    {
        var result = await RunAsync([.. arguments, "--json"]);
        Assert.True(result.Code == 0, result.Error);
        return JsonDocument.Parse(result.Output);
    }
}
