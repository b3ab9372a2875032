using System.Text.Json;

namespace Cluster.Cli.Tests.Verbs;

public sealed class CorpusBuildVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Build_ThenWhySampleAndReport_SayWhatBecameOfDocuments()
    {
        var text = string.Join(' ', Enumerable.Range(0, 40).Select(i => $"The list of item {i} grows when another item is added to it."));
        Directory.CreateDirectory(_folder.In("in"));
        File.WriteAllText(_folder.In("in/a.txt"), text);
        File.WriteAllText(_folder.In("in/b.txt"), text);
        File.WriteAllText(_folder.In("in/c.txt"), "short");
        var recipe = _folder.In("recipe.json");
        File.WriteAllText(recipe, JsonSerializer.Serialize(new
        {
            name = "small",
            sources = new[] { new { kind = "folder", name = "notes", path = _folder.In("in") } },
            stages = new object[] { new { stage = "normalise" }, new { stage = "plain-text", minimum_characters = 40 }, new { stage = "quality" } },
        }));
        var corpus = _folder.In("corpus");

        var built = await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", corpus, "--json");
        Assert.Equal((0, ""), (built.Code, built.Error));
        var result = JsonDocument.Parse(built.Output).RootElement;
        Assert.Equal((3, 1), (result.GetProperty("documents_in").GetInt32(), result.GetProperty("documents").GetInt32()));
        var table = await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", corpus);
        Assert.Contains(result.GetProperty("corpus_sha256").GetString()!, table.Output, StringComparison.Ordinal);

        Assert.Contains("dropped by plain-text", (await Cli.RunAsync("corpus", "why", "notes/c.txt", "--corpus", corpus)).Output, StringComparison.Ordinal);
        var copy = JsonDocument.Parse((await Cli.RunAsync("corpus", "why", "notes/b.txt", "--corpus", corpus, "--json")).Output).RootElement;
        Assert.Equal(("exact_duplicate", "notes/a.txt"), (copy.GetProperty("rule").GetString(), copy.GetProperty("copy_of").GetString()));
        Assert.Matches("outcome +kept", (await Cli.RunAsync("corpus", "why", "notes/a.txt", "--corpus", corpus)).Output);
        Cli.AssertUserError(await Cli.RunAsync("corpus", "why", "notes/none.txt", "--corpus", corpus), "notes/none.txt");

        var sample = await Cli.RunAsync("corpus", "sample", "--dropped-by", "plain-text", "--corpus", corpus);
        Assert.Equal("notes/c.txt\n  too_short 5\n  short\n", sample.Output);
        Cli.AssertUserError(await Cli.RunAsync("corpus", "sample", "--dropped-by", "nobody", "--corpus", corpus), "nobody", "plain-text");

        var report = await Cli.RunAsync("corpus", "report", "--corpus", corpus);
        Assert.Equal(0, report.Code);
        var page = File.ReadAllText(Path.Combine(corpus, "report.html"));
        Assert.Equal(5, page.Split("data:image/png;base64,iVBOR").Length - 1);
        foreach (var part in (string[])["Funnel", "Sources", "Languages", "Lengths", "Quality", "Duplicates", "too_short 1"])
            Assert.Contains(part, page, StringComparison.Ordinal);
        var again = page;
        await Cli.RunAsync("corpus", "report", "--corpus", corpus);
        Assert.Equal(again, File.ReadAllText(Path.Combine(corpus, "report.html")));
    }

    [Fact]
    public async Task Tokenizer_OfABuiltCorpus_IsTheFileThatTrainingTakes()
    {
        Directory.CreateDirectory(_folder.In("in"));
        for (var i = 0; i < 30; i++)
            File.WriteAllText(_folder.In($"in/{i}.txt"), string.Join(' ', Enumerable.Range(0, 40).Select(s => $"The list {i} of item {s * i} grows when another item is added to it.")));
        var recipe = _folder.In("recipe.json");
        File.WriteAllText(recipe, JsonSerializer.Serialize(new
        {
            name = "small",
            sources = new[] { new { kind = "folder", name = "notes", path = _folder.In("in") } },
            stages = new object[] { new { stage = "normalise" } },
            limits = new { partition_files = 7 },
        }));
        var corpus = _folder.In("corpus");
        Cli.AssertUserError(await Cli.RunAsync("corpus", "tokenizer", "--corpus", corpus, "--vocab", "300"), "no finished corpus");
        Assert.Equal(0, (await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", corpus)).Code);
        var trained = await Cli.RunAsync("corpus", "tokenizer", "--corpus", corpus, "--vocab", "300", "--json");
        Assert.Equal((0, ""), (trained.Code, trained.Error));
        var result = JsonDocument.Parse(trained.Output).RootElement;
        var source = (Cluster.Data.Corpus.BuiltCorpusSource)Cluster.Data.Corpus.CorpusBuilder.Source(corpus);
        Assert.Equal((300, Cluster.Data.Tokens.TokenizerFile.Sha256(source.Tokenizer(300)!)), (result.GetProperty("vocabulary").GetInt32(), result.GetProperty("sha256").GetString()));
        var other = await Cli.RunAsync("corpus", "tokenizer", "--corpus", corpus, "--vocab", "280", "--out", _folder.In("other.json"), "--workers", "1", "--memory", "1");
        Assert.Contains(_folder.In("other.json"), other.Output, StringComparison.Ordinal);
        Assert.NotNull(source.Tokenizer(300));
        Cli.AssertUserError(await Cli.RunAsync("corpus", "tokenizer", "--corpus", corpus, "--vocab", "100"), "--vocab is 100", "272");
        Cli.AssertUserError(await Cli.RunAsync("corpus", "tokenizer", "--corpus", corpus, "--vocab", "300", "--out", corpus), "is a folder");
    }

    [Fact]
    public async Task Proxy_BadInput_IsUserErrorBeforeAnythingIsTrained()
    {
        Directory.CreateDirectory(_folder.In("in"));
        File.WriteAllText(_folder.In("in/a.txt"), string.Join(' ', Enumerable.Range(0, 60).Select(i => $"A text about thing {i} and another thing.")));
        var recipe = _folder.In("recipe.json");
        File.WriteAllText(recipe, JsonSerializer.Serialize(new { sources = new[] { new { kind = "folder", name = "notes", path = _folder.In("in") } }, stages = new object[] { new { stage = "normalise" } } }));
        Assert.Equal(0, (await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", _folder.In("corpus"))).Code);
        var cli = new Cli();
        Cli.AssertUserError(await cli.ThenAsync("corpus", "proxy", "--corpus", _folder.In("none")), "no finished corpus");
        Cli.AssertUserError(await cli.ThenAsync("corpus", "proxy", "--corpus", _folder.In("corpus"), "--steps", "10", "--reference-steps", "10"), "--reference-steps is 10");
        Cli.AssertUserError(await cli.ThenAsync("corpus", "proxy", "--corpus", _folder.In("corpus"), "--set", "training.steps=7"), "--reference-steps");
        Cli.AssertUserError(await cli.ThenAsync("corpus", "proxy", "--corpus", _folder.In("corpus")), "twenty documents");
        Assert.Null(cli.Host.Request);
        Cli.AssertUserError(await cli.ThenAsync("corpus", "build", "--recipe", recipe, "--mix", _folder.In("none.json"), "--out", _folder.In("x")), "The mix", "none.json");
        File.WriteAllText(_folder.In("mix.json"), "{\"targets\":{\"notes\":-1}}");
        Cli.AssertUserError(await cli.ThenAsync("corpus", "build", "--recipe", recipe, "--mix", _folder.In("mix.json"), "--out", _folder.In("x")), "target of notes is -1");
    }

    [Fact]
    public async Task Build_EmbeddingsOfNoRunOrOutOfRange_UserErrorBeforeAnythingIsRead()
    {
        Directory.CreateDirectory(_folder.In("in"));
        var recipe = _folder.In("recipe.json");
        string Recipe(string embeddings) =>
            JsonSerializer.Serialize(new { sources = new[] { new { kind = "folder", name = "notes", path = _folder.In("in") } } })[..^1] + $",\"duplicates\":{{\"embeddings\":{embeddings}}}}}";
        File.WriteAllText(recipe, Recipe("null"));
        Cli.AssertUserError(await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--embeddings", _folder.In("none"), "--out", _folder.In("x")), _folder.In("none"), "cluster train");
        Assert.False(File.Exists(_folder.In("x/plan.json")));
        File.WriteAllText(recipe, Recipe("{\"model\":\"none\",\"minimum_cosine\":0}"));
        Cli.AssertUserError(await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", _folder.In("x")), "duplicates.embeddings.minimum_cosine is 0", "at most 1");
        Assert.Contains("--embeddings", (await Cli.RunAsync("corpus", "build", "--help")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Build_WrongRecipe_OneParagraph()
    {
        Cli.AssertUserError(await Cli.RunAsync("corpus", "build", "--recipe", _folder.In("none.json"), "--out", _folder.In("x")), "none.json");
        Cli.AssertUserError(await Cli.RunAsync("corpus", "build", "--recipe", "nothing", "--out", _folder.In("x")), "nothing", "reference");
        var recipe = _folder.In("recipe.json");
        File.WriteAllText(recipe, "{\"sources\":[{\"kind\":\"folder\",\"name\":\"a\",\"path\":\"/nowhere/at/all\"}]}");
        Cli.AssertUserError(await Cli.RunAsync("corpus", "build", "--recipe", recipe, "--out", _folder.In("x")), "/nowhere/at/all");
    }
}
