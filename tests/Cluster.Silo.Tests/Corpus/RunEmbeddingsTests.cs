using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Inference.Managed;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;
using Cluster.Model.Decode;
using Cluster.Silo.Corpus;
using Cluster.Silo.Inference;
using Cluster.Silo.Tests.Inference;

namespace Cluster.Silo.Tests.Corpus;

public sealed class RunEmbeddingsTests : IDisposable
{
    private const int Context = 96;
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-embeddings-").FullName;

    public RunEmbeddingsTests() => TinyRun.Write(_folder, "run", context: Context);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Embed_AnyOrderAndCompany_TheBitsThatAreServed()
    {
        var models = new RunEmbeddings();
        var model = models.Copy(In("run"), In("copy"));
        // One token to as many as are served: the beginning of text, the text's bytes and room for one more.
        string[] texts = [.. Enumerable.Range(0, 12).Select(i => Words(i)[..(1 + i * (Context - 3) / 11)])];
        float[][] forwards, backwards;
        using (var embedder = models.Open(In("copy"), model))
            forwards = [.. texts.Select(text => embedder.Embed(text))];
        using (var embedder = models.Open(In("copy"), model))
            backwards = [.. texts.Reverse().Select(text => embedder.Embed(text)).Reverse()];
        Assert.Equal(forwards, backwards);
        Assert.All(forwards, vector => Assert.Equal(model.Dimensions, vector.Length));

        var source = RunSource.Open(new RunFolder(In("run")));
        using var engine = new InferenceEngine(source.Decoder(source.Latest(_ => { }), DecodePrecision.Fp32, backend: DecodeBackendKind.Managed, threads: 2),
            new TokenizerText(source.Tokenizer), new SchedulerOptions { MaxRunning = 8 });
        var request = new EmbeddingRequest { Id = "it", Texts = texts };
        var served = await ServedEmbeddings.ComputeAsync(request, ServedEmbeddings.Tokenize(request, source), engine, CancellationToken.None);
        Assert.Equal(served, forwards.Select(vector => ServedEmbeddings.UnitVector(vector, null)));
    }

    [Fact]
    public async Task Embed_TextLongerThanTheContext_MeanOfAllItsWindows()
    {
        var models = new RunEmbeddings();
        var model = models.Copy(In("run"), In("copy"));
        using var embedder = models.Open(In("copy"), model);
        const int window = Context - 2;
        var text = string.Concat(Enumerable.Range(0, 5).Select(Words))[..(2 * window + 40)];
        var whole = embedder.Embed(text);
        double[] expected = new double[whole.Length];
        foreach (var part in (string[])[text[..window], text[window..(2 * window)], text[(2 * window)..]])
        {
            foreach (var (value, i) in embedder.Embed(part).Select((value, i) => (value, i)))
                expected[i] += value * (double)(part.Length + 1) / (text.Length + 3);
        }

        Assert.All(whole.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 5));
        // The tail counts: texts with one head are two texts.
        Assert.NotEqual(whole, embedder.Embed(text[..^1] + "?"));
        Assert.Empty(embedder.Embed(""));
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        Assert.Throws<OperationCanceledException>(() => embedder.Embed(text, stop.Token));
    }

    [Fact]
    public void Copy_SameWeightsElsewhere_SameHashAndNoOptimizer()
    {
        var models = new RunEmbeddings();
        var model = models.Copy(In("run"), In("copy"));
        Assert.Empty(Directory.GetFiles(In("copy"), "optimizer*", SearchOption.AllDirectories));
        Assert.Single(Directory.GetFiles(In("copy"), "weights*", SearchOption.AllDirectories));
        // The copy is enough: the run may go, or train on.
        Directory.Move(In("run"), In("moved"));
        TinyRun.Write(_folder, "run", step: 2, context: Context);
        models.Open(In("copy"), model).Dispose();
        Assert.Equal(model, models.Copy(In("moved"), In("copy")));
        var later = models.Copy(In("run"), In("other"));
        Assert.NotEqual(model, later);
        Assert.Contains("is not the model", Assert.Throws<UserErrorException>(() => models.Open(In("other"), model)).What, StringComparison.Ordinal);
        TinyRun.Write(_folder, "wide", context: 2 * Context);
        Assert.NotEqual(model.Sha256, models.Copy(In("wide"), In("wider")).Sha256);
    }

    [Fact]
    public void CopyAndOpen_NothingThereOrDamaged_SaysSo()
    {
        var models = new RunEmbeddings();
        Assert.Contains(In("none"), Assert.Throws<UserErrorException>(() => models.Copy(In("none"), In("copy"))).What, StringComparison.Ordinal);
        var model = models.Copy(In("run"), In("copy"));
        var weights = Directory.GetFiles(In("copy"), "weights*", SearchOption.AllDirectories).Single();
        var bytes = File.ReadAllBytes(weights);
        bytes[^5] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("does not match its SHA-256", Assert.Throws<UserErrorException>(() => models.Open(In("copy"), model)).What, StringComparison.Ordinal);
        Directory.Delete(Path.Combine(In("run"), "checkpoints"), recursive: true);
        Assert.Contains("no checkpoint", Assert.Throws<UserErrorException>(() => models.Copy(In("run"), In("again"))).What, StringComparison.Ordinal);
        Assert.False(Directory.Exists(In("again")));
    }

    private static string Words(int i) => string.Join(' ', Enumerable.Range(0, 40).Select(word => (char)('a' + word * (i + 3) % 26) + $"word{word * i}"));

    private string In(string name) => Path.Combine(_folder, name);
}
