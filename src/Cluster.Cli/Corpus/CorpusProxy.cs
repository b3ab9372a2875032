// Enters: a corpus that was built. Leaves: what a small model loses on each of its domains, and a mix that follows from it.
// Does not know: how a run works, how the rule weighs.

using System.Globalization;
using Cluster.Cli.Hosting;
using Cluster.Cli.Runs;
using Cluster.Core.Files;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Tokens;
using Cluster.Silo.Corpus;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Corpus;

/// <summary>What a proxy run is asked for.</summary>
public sealed record ProxyRequest
{
    /// <summary>The corpus.</summary>
    public required BuiltCorpusSource Corpus { get; init; }

    /// <summary>The run's recipe; its steps are those of the reference.</summary>
    public required Recipe Recipe { get; init; }

    /// <summary>Steps of the proxy: fewer than the recipe's, 1 or more.</summary>
    public required int Steps { get; init; }

    /// <summary>Most tokens that are measured of each domain, 2 or more.</summary>
    public int Tokens { get; init; } = 65_536;

    /// <summary>How far the proposal goes.</summary>
    public ReweightingOptions Reweighting { get; init; } = new();

    /// <summary>Folder of the runs and their findings.</summary>
    public required string Folder { get; init; }

    /// <summary>Replicas; the result is the same for any number.</summary>
    public int? Replicas { get; init; }
}

/// <summary>One domain of a proxy run.</summary>
/// <param name="Domain">Its name.</param>
/// <param name="Bytes">What the corpus has of it.</param>
/// <param name="HeldOutDocuments">Documents that were not trained on.</param>
/// <param name="Share">Its share of the corpus' bytes.</param>
/// <param name="ProxyBitsPerByte">Of the model after the proxy's steps.</param>
/// <param name="ReferenceBitsPerByte">Of the model at the end.</param>
/// <param name="Excess">The difference, 0 or more: what there was left to learn.</param>
/// <param name="Proposed">The share that is proposed.</param>
public sealed record ProxyDomain(
    string Domain, long Bytes, long HeldOutDocuments, double Share, double ProxyBitsPerByte, double ReferenceBitsPerByte, double Excess, double Proposed);

/// <summary>What a proxy run found. A function of corpus, recipe and options.</summary>
/// <param name="CorpusSha256">The corpus.</param>
/// <param name="RecipeSha256">The runs' recipe as it was asked for.</param>
/// <param name="ProxySteps">Steps of the proxy.</param>
/// <param name="ReferenceSteps">Steps of the reference.</param>
/// <param name="ProxyWeightsSha256">The proxy.</param>
/// <param name="ReferenceWeightsSha256">The reference.</param>
/// <param name="Domains">In ordinal order.</param>
/// <param name="Mix">The mix of the corpus' recipe with the proposed targets.</param>
public sealed record ProxyResult(
    string CorpusSha256, string RecipeSha256, long ProxySteps, long ReferenceSteps, string ProxyWeightsSha256, string ReferenceWeightsSha256,
    IReadOnlyList<ProxyDomain> Domains, MixOptions Mix);

/// <summary>
/// Trains one small model on a corpus and measures it twice by domain: after the proxy's steps, and at its end, as the reference (the same
/// model trained for longer). What a domain still had to give between them raises its weight (<see cref="DomainReweighting"/>). A call that was
/// stopped goes on where it was.
/// </summary>
internal static class CorpusProxy
{
    /// <summary>The recipe of a proxy: two layers of width 128, the corpus' own tokenizer where it has one, no fine-tuning.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="steps">Of the reference.</param>
    public static Recipe RecipeOf(BuiltCorpusSource corpus, int steps) => new()
    {
        Name = "proxy",
        Corpus = new CorpusRecipe { ValidationFraction = 0.1, TestFraction = 0 },
        Model = new ModelShape { Layers = 2, Width = 128, Heads = 4, Context = 128, FeedForward = 256 },
        Tokenizer = new TokenizerRecipe { Vocabulary = corpus.TokenizerPath is { } path ? TokenizerFile.Load(path).VocabularySize : 2_048 },
        Training = new TrainingRecipe { Steps = steps, Lanes = 4, MicroBatch = 2, LearningRate = 1.5e-3, EvaluateEvery = steps, EvaluationTokens = 8_192, CheckpointEvery = 1_000 },
        FineTuning = new FineTuningRecipe { Steps = 0 },
    };

    /// <summary>Trains, measures, proposes; writes <c>proxy.json</c> and <c>mix.json</c> into the folder.</summary>
    /// <param name="request">What.</param>
    /// <param name="host">Trains.</param>
    /// <param name="say">Told what happens.</param>
    /// <param name="cancellation">Ends it after the step at hand; a later call goes on.</param>
    public static async Task<ProxyResult> RunAsync(ProxyRequest request, IRunHost host, Action<string> say, CancellationToken cancellation)
    {
        var (corpus, recipe) = (request.Corpus, request.Recipe);
        var mix = CurationRecipeJson.Parse(File.ReadAllText(corpus.Folder.Recipe), corpus.Folder.Recipe).Mix ?? new MixOptions();
        say("reading the corpus");
        var loss = DomainLoss.Of(corpus, mix, recipe, request.Tokens, cancellation);
        // Another recipe, corpus or tokenizer is another run.
        var named = $"{RecipeJson.Hash(recipe)} {corpus.Summary.CorpusSha256} {request.Steps} {request.Tokens} {TokenizerOf(corpus)}";
        var key = Cluster.Data.Corpus.StableHash.Hash64(named).ToString("x16", CultureInfo.InvariantCulture);
        var proxy = await AtAsync(request.Steps);
        var reference = await AtAsync(null);
        var weights = loss.Domains.ToDictionary(pair => pair.Key, pair => (double)pair.Value.Bytes, StringComparer.Ordinal);
        var proposed = DomainReweighting.Propose(weights, proxy, reference, request.Reweighting);
        var result = new ProxyResult(
            corpus.Summary.CorpusSha256, RecipeJson.Hash(recipe), proxy.Step, reference.Step, proxy.WeightsSha256, reference.WeightsSha256,
            [.. proposed.Select(domain => new ProxyDomain(
                domain.Domain, loss.Domains[domain.Domain].Bytes, loss.Domains[domain.Domain].HeldOutDocuments, domain.Weight,
                proxy.BitsPerByte(domain.Domain), reference.BitsPerByte(domain.Domain), domain.Excess, domain.Proposed))],
            mix with { Targets = proposed.ToDictionary(domain => domain.Domain, domain => domain.Proposed, StringComparer.Ordinal) });
        AtomicWrite.AllText(Path.Combine(request.Folder, "proxy.json"), RunJson.Document(result) + "\n");
        AtomicWrite.AllText(Path.Combine(request.Folder, "mix.json"), CurationRecipeJson.Indented(result.Mix) + "\n");
        return result;

        async Task<DomainBits> AtAsync(int? stop)
        {
            var found = Path.Combine(request.Folder, $"{key}-{(stop is null ? "reference" : "proxy")}.json");
            if (File.Exists(found))
                return RunJson.Parse<DomainBits>(File.ReadAllText(found), found);
            say(stop is { } steps ? $"training {steps} of {recipe.Training.Steps} steps" : $"training on to step {recipe.Training.Steps}");
            var run = new RunFolder(Path.Combine(request.Folder, $"run-{key}"));
            await host.RunAsync(new RunRequest
            {
                Folder = run,
                Recipe = recipe,
                CorpusPath = corpus.Folder.Root,
                Replicas = RunSetup.Replicas(request.Replicas, recipe),
                Silos = RunSetup.EmbeddedSilo,
                StopAfter = stop,
            }, new SilentObserver(), null, cancellation);
            say("measuring the domains");
            var bits = loss.Measure(run, cancellation);
            AtomicWrite.AllText(found, RunJson.Document(bits) + "\n");
            return bits;
        }
    }

    private static string TokenizerOf(BuiltCorpusSource corpus) =>
        corpus.TokenizerPath is { } path ? TokenizerFile.Sha256(TokenizerFile.Load(path)) : "";
}
