using System.Text.Json;
using Cluster.Cli.Benchmarks;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Filters;

namespace Cluster.Cli.Tests.Verbs;

public sealed class CorpusVerbsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task TrainQuality_ThenEvaluate_PrintsTheFigures()
    {
        string good = Write("good.jsonl", 120, "because the list grows when an item is added"), bad = Write("bad.jsonl", 80, "buy cheap pills now and win a prize today");
        var model = _folder.In("quality.bin");

        var trained = await Cli.RunAsync("corpus", "train-quality", "--good", good, "--bad", bad, "--out", model, "--held-out", "0.3", "--bits", "14", "--json");
        Assert.Equal((0, ""), (trained.Code, trained.Error));
        var result = JsonDocument.Parse(trained.Output).RootElement;
        var held = result.GetProperty("held_out");
        Assert.Equal(200, result.GetProperty("positive").GetInt32() + result.GetProperty("negative").GetInt32() + held.GetProperty("positive").GetInt32() + held.GetProperty("negative").GetInt32());
        Assert.InRange(held.GetProperty("auc").GetDouble(), 0.95, 1);

        var evaluated = await Cli.RunAsync("corpus", "evaluate-quality", "--model", model, "--good", good, "--bad", bad, "--threshold", "0.6", "--json");
        var evaluation = JsonDocument.Parse(evaluated.Output).RootElement;
        Assert.Equal(result.GetProperty("version").GetString(), evaluation.GetProperty("version").GetString());
        Assert.Equal(0.6, evaluation.GetProperty("measures").GetProperty("threshold").GetDouble());
        Assert.InRange(evaluation.GetProperty("measures").GetProperty("precision").GetDouble(), 0.95, 1);

        var table = await Cli.RunAsync("corpus", "evaluate-quality", "--model", model, "--good", good, "--bad", bad);
        Assert.Contains("AUC", table.Output);
    }

    [Fact]
    public async Task TrainToxicity_SameTextTwice_WritesTheSameBytes()
    {
        string toxic = Write("toxic.jsonl", 30, "an insult and another insult"), clean = Write("clean.jsonl", 40, "a kind word for everyone here");
        foreach (var name in new[] { "a.bin", "b.bin" })
            Assert.Equal(0, (await Cli.RunAsync("corpus", "train-toxicity", "--toxic", toxic, "--clean", clean, "--out", _folder.In(name), "--held-out", "0", "--bits", "12")).Code);

        Assert.Equal(File.ReadAllBytes(_folder.In("a.bin")), File.ReadAllBytes(_folder.In("b.bin")));
    }

    [Theory]
    [InlineData("--held-out", "0.95", "held_out is 0.95")]
    [InlineData("--bits", "30", "bits is 30")]
    [InlineData("--passes", "0", "passes is 0")]
    public async Task TrainQuality_OptionOutOfRange_NamesItAndWritesNothing(string option, string value, string message)
    {
        var text = Write("text.jsonl", 5, "some text");
        var result = await Cli.RunAsync("corpus", "train-quality", "--good", text, "--bad", text, "--out", _folder.In("q.bin"), option, value);

        Assert.Equal(1, result.Code);
        Assert.Contains(message, result.Error);
        Assert.False(File.Exists(_folder.In("q.bin")));
    }

    [Fact]
    public async Task EvaluateQuality_NoClassifier_SaysHowToMakeOne()
    {
        var text = Write("text.jsonl", 5, "some text");
        var result = await Cli.RunAsync("corpus", "evaluate-quality", "--model", text, "--good", text, "--bad", text);

        Assert.Equal(1, result.Code);
        Assert.Contains("train-quality", result.Error);
    }

    [Fact]
    public async Task TrainLanguage_FolderOfTexts_WritesAModel()
    {
        Directory.CreateDirectory(_folder.In("texts"));
        foreach (var (code, words) in new[] { ("de", "der hund und die katze laufen schnell durch den garten"), ("fr", "le chien et le chat courent vite dans le jardin vert") })
            File.WriteAllLines(_folder.In($"texts/{code}.txt"), Lines(300, words));

        var result = await Cli.RunAsync("corpus", "train-language", "--texts", _folder.In("texts"), "--out", _folder.In("l.bin"), "--bits", "10", "--samples", "200", "--passes", "1");
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Contains("held-out accuracy", result.Output);
        Assert.True(File.Exists(_folder.In("l.bin")));

        var missing = await Cli.RunAsync("corpus", "train-language", "--texts", _folder.In("none"), "--out", _folder.In("m.bin"));
        Assert.Equal(1, missing.Code);
        Assert.Contains("does not exist", missing.Error);
    }

    [Fact]
    public void StageBenchmark_OfAFewDocuments_CountsEachStage()
    {
        Document[] documents = [.. Lines(20, "the list grows when an item is added to it").Select((text, i) => new Document($"d{i}", text, $"d{i}", "test"))];
        var figures = CorpusStageBenchmark.Run(documents, [new GopherQuality(), new PlainText(new PlainTextOptions { MinimumCharacters = 1 })], FilterPreset.Web, repeats: 1);

        Assert.Equal(["gopher-quality", "plain-text", "filters", "filters, all on all"], figures.Select(figure => figure.Stage));
        Assert.Equal([20, 0, 20, 20], figures.Select(figure => figure.Dropped));
        Assert.All(figures, figure => Assert.True(figure.In == 20 && figure.DocumentsPerSecond > 0));
    }

    private string Write(string name, int count, string words)
    {
        var path = _folder.In(name);
        File.WriteAllLines(path, Lines(count, words).Select(text => JsonSerializer.Serialize(new { text })));
        return path;
    }

    // The words in another order each time, with a number that makes the line its own.
    private static IEnumerable<string> Lines(int count, string words)
    {
        var list = words.Split(' ');
        return Enumerable.Range(0, count).Select(i => string.Join(' ', Enumerable.Range(0, 12).Select(k => list[(i * 5 + k * k + k) % list.Length])) + $" {i}");
    }
}
