using System.Globalization;
using System.Text;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Corpus;

/// <summary>A proxy run on a corpus of two domains: texts with a structure that takes time to learn, and noise of which there is little to learn.</summary>
[Collection(ProcessCollection.Corpus)]
public sealed class CorpusProxyTests : IDisposable
{
    private const int Documents = 80;
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-proxy-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Proxy_DomainWithMoreToLearn_GetsMoreOfTheMix_AndTheSameFiguresAgain()
    {
        Write("fables", i => string.Join(' ', Enumerable.Range(0, 8).Select(s =>
            $"The fox number {i} met the crow number {s + i} by the old well, and the crow would not give the fox its cheese on day {(i * 5) + s} of the year.")));
        Write("noise", i =>
        {
            var random = new CounterRandom(5, RandomPurpose.Synthetic, (ulong)i);
            return string.Concat(Enumerable.Range(0, 800).Select(at => (char)('a' + (int)random.Below((ulong)at, 26))));
        });
        var curation = new CurationRecipe
        {
            Sources = [new FolderRecipe { Name = "fables", Path = In("fables") }, new FolderRecipe { Name = "noise", Path = In("noise") }],
            Stages = [StageRecipe.Of(Normalise.StageName)],
            Duplicates = new DuplicatesRecipe { Near = null },
            Mix = new MixOptions { Targets = new Dictionary<string, double> { ["fables"] = 0.4, ["noise"] = 0.6 } },
            Tokenizer = new VocabularyRecipe { Vocabulary = 320 },
        };
        var built = await BuildAsync(curation, "corpus");

        var host = new CountingHost();
        var result = await CorpusProxy.RunAsync(Request(built, "proxy", 1), host, _ => { }, CancellationToken.None);
        Assert.Equal(["fables", "noise"], result.Domains.Select(domain => domain.Domain));
        Assert.Equal((20, 100), (result.ProxySteps, result.ReferenceSteps));
        var (fables, noise) = (result.Domains[0], result.Domains[1]);
        // Nobody knows noise of 26 letters better than log2 26 bits.
        Assert.InRange(noise.ReferenceBitsPerByte, Math.Log2(26) - 0.1, 6);
        Assert.InRange(fables.ReferenceBitsPerByte, 0.1, noise.ReferenceBitsPerByte);
        Assert.True(fables.Excess > noise.Excess + 0.1, $"{fables} {noise}");
        Assert.Equal(fables.ProxyBitsPerByte - fables.ReferenceBitsPerByte, fables.Excess, 12);
        Assert.True(fables.Proposed > fables.Share);
        Assert.Equal(1, fables.Proposed + noise.Proposed, 9);

        // Once more, elsewhere and on other replicas, stopped on the way from the proxy to the reference: the same figures to the last digit.
        host.StopAt = 60;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => CorpusProxy.RunAsync(Request(built, "again", 3), host, _ => { }, CancellationToken.None));
        Assert.False(File.Exists(In("again/proxy.json")));
        host.StopAt = null;
        var again = await CorpusProxy.RunAsync(Request(built, "again", 3), host, _ => { }, CancellationToken.None);
        Assert.Equal(RunJson.Document(result), RunJson.Document(again));
        Assert.Equal(File.ReadAllText(In("proxy/mix.json")), File.ReadAllText(In("again/mix.json")));
        // A call after the end trains nothing.
        var runs = host.Runs;
        Assert.Equal(RunJson.Document(result), RunJson.Document(await CorpusProxy.RunAsync(Request(built, "again", 1), host, _ => { }, CancellationToken.None)));
        Assert.Equal((5, 5), (runs, host.Runs));
        // The proxy's 20 steps, those up to the stop, and the rest.
        Assert.Equal(Enumerable.Range(1, 100).Select(step => (long)step), host.Steps.TakeLast(100));
        // Control: another seed is another run.
        var other = Request(built, "proxy", 1);
        other = other with { Recipe = other.Recipe with { Seed = 2 } };
        Assert.NotEqual(result.ReferenceWeightsSha256, (await CorpusProxy.RunAsync(other, host, _ => { }, CancellationToken.None)).ReferenceWeightsSha256);

        // The mix is what a recipe reads, and the next corpus has it.
        var mix = CurationRecipeJson.ParseMix(File.ReadAllText(In("again/mix.json")), "mix.json");
        var next = await BuildAsync(curation with { Mix = mix }, "next");
        Assert.Equal(fables.Proposed, next.Summary.Mix!.Single(domain => domain.Domain == "fables").AskedShare, 9);
        Assert.InRange(next.Summary.Mix!.Single(domain => domain.Domain == "fables").GotShare, fables.Share + 0.01, 1);
    }

    [Fact]
    public async Task Proxy_OneDomainOrNoHeldOutText_SaysWhatToDo()
    {
        Write("fables", i => $"The fox number {i} met the crow number {i + 9} by the old well.");
        Write("one", i => $"A single text {i}.", 1);
        var curation = new CurationRecipe
        {
            Sources = [new FolderRecipe { Name = "fables", Path = In("fables") }],
            Stages = [StageRecipe.Of(Normalise.StageName)],
            Duplicates = new DuplicatesRecipe { Near = null },
        };
        var alone = await BuildAsync(curation, "alone");
        Assert.Contains("one domain by dataset: fables", (await Fails(alone)).What, StringComparison.Ordinal);
        var bare = await BuildAsync(curation with { Sources = [.. curation.Sources, new FolderRecipe { Name = "one", Path = In("one") }] }, "bare");
        Assert.Contains("No document of one is held out", (await Fails(bare)).What, StringComparison.Ordinal);

        Task<UserErrorException> Fails(BuiltCorpusSource corpus) =>
            Assert.ThrowsAsync<UserErrorException>(() => CorpusProxy.RunAsync(Request(corpus, "none", 1), new CountingHost(), _ => { }, CancellationToken.None));
    }

    private ProxyRequest Request(BuiltCorpusSource corpus, string name, int replicas)
    {
        var recipe = CorpusProxy.RecipeOf(corpus, 100);
        return new ProxyRequest
        {
            Corpus = corpus,
            Recipe = recipe with
            {
                Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 64, FeedForward = 128 },
                Training = recipe.Training with { Precision = Precision.Fp32, LearningRate = 3e-3 },
            },
            Steps = 20,
            Tokens = 4_096,
            Folder = In(name),
            Replicas = replicas,
        };
    }

    private async Task<BuiltCorpusSource> BuildAsync(CurationRecipe recipe, string name)
    {
        CorpusRunner.Run(await CorpusJob.PrepareAsync(new CorpusFolder(In(name)), recipe, new CorpusResources()), 2);
        return BuiltCorpusSource.Find(In(name))!;
    }

    private void Write(string domain, Func<int, string> text, int documents = Documents)
    {
        Directory.CreateDirectory(In(domain));
        for (var i = 0; i < documents; i++)
            File.WriteAllText(In(string.Create(CultureInfo.InvariantCulture, $"{domain}/{i:00}.txt")), text(i), new UTF8Encoding(false));
    }

    private string In(string name) => Path.Combine(_folder, name);

    /// <summary>Trains in this process, counts, and stops where it is told to.</summary>
    private sealed class CountingHost : IRunHost
    {
        public int Runs { get; private set; }

        public long? StopAt { get; set; }

        /// <summary>Every step that was trained, in order.</summary>
        public List<long> Steps { get; } = [];

        public async Task<RunSummary> RunAsync(RunRequest request, IRunObserver observer, int? webPort, CancellationToken cancellation)
        {
            Runs++;
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var counting = new QuietObserver
            {
                OnPoint = point =>
                {
                    if (point.Loss is null)
                        return;
                    Steps.Add(point.Step);
                    if (point.Step == StopAt)
                        stop.Cancel();
                },
            };
            return await new EmbeddedRunHost().RunAsync(request, counting, webPort, stop.Token);
        }
    }
}
