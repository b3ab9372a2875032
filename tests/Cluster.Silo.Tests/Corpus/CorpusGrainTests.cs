using System.Globalization;
using Cluster.Contracts.Corpus;
using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;
using Cluster.Silo.Corpus;
using Cluster.Silo.Tests.Inference;

namespace Cluster.Silo.Tests.Corpus;

public sealed class CorpusGrainTests : IDisposable
{
    private const int Files = 120;
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-corpus-grain-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Cancel_WhileItBuilds_EndsEarlyAndGoesOnWhenSubmittedAgain()
    {
        Directory.CreateDirectory(In("texts"));
        for (var i = 0; i < Files; i++)
            File.WriteAllText(In(string.Create(CultureInfo.InvariantCulture, $"texts/{i:000}.txt")), string.Join(' ', Enumerable.Range(0, 30).Select(s => $"Text {i} has a sentence {s * i} of its own.")));
        var recipe = new CurationRecipe
        {
            Name = "cancelled",
            Sources = [new FolderRecipe { Name = "texts", Path = In("texts") }],
            Stages = CurationPresets.Reference,
            Duplicates = new DuplicatesRecipe { Near = null },
            // A unit for each file: it takes far longer than a call.
            Limits = new ReadLimits { PartitionFiles = 1 },
        };
        await using var hosts = new SiloHosts(_folder, new Dictionary<string, string?> { ["Orleans:Reminders:ProviderType"] = "Memory" });
        await hosts.StartAsync("one", "data");
        var grain = hosts.Grains.GetGrain<ICorpusGrain>(recipe.Name);
        Assert.False(await grain.CancelAsync());
        var submission = new CorpusSubmission(In("corpus"), CurationRecipeJson.Canonical(recipe), 2, 16 << 20);

        await grain.SubmitAsync(submission);
        Assert.True(await grain.CancelAsync());
        Assert.Equal("cancelled", (await EndOf(grain)).State);
        Assert.Null(CorpusSummary.Load(new CorpusFolder(In("corpus"))));

        await grain.SubmitAsync(submission);
        Assert.Equal("done", (await EndOf(grain)).State);
        Assert.Equal(Files, CorpusSummary.Load(new CorpusFolder(In("corpus")))!.Documents);
    }

    [Fact]
    public async Task Build_WithEmbeddingsOnTwoSilos_FindsReorderedTextsAndIsTheCorpusOfOneThread()
    {
        TinyRun.Write(_folder, "run");
        Directory.CreateDirectory(In("texts"));
        for (var i = 0; i < 24; i++)
        {
            var words = Words(i);
            File.WriteAllText(In($"texts/{i:00}.txt"), string.Join(' ', words));
            // Each two words change places: no five of them in a row are left, and hardly anything else is gone.
            if (i % 4 == 0)
                File.WriteAllText(In($"texts/{i:00}-reordered.txt"), string.Join(' ', words.Select((_, place) => words[place ^ 1]).SkipLast(1)));
        }

        var recipe = new CurationRecipe
        {
            Name = "embedded",
            Sources = [new FolderRecipe { Name = "texts", Path = In("texts") }],
            Stages = [StageRecipe.Of(Normalise.StageName)],
            Duplicates = new DuplicatesRecipe { Embeddings = new EmbeddingDuplicatesRecipe { Model = In("run"), MinimumCosine = 0.97 } },
            Limits = new ReadLimits { PartitionFiles = 4 },
        };
        var alone = CorpusRunner.Run(await CorpusJob.PrepareAsync(
            new CorpusFolder(In("alone")), recipe, new CorpusResources { Workers = 1, Embeddings = new RunEmbeddings() }), 1);
        Assert.Equal((24, 0, 6), (alone.Documents, alone.Near!.Dropped, alone.Embeddings!.Dropped));
        Assert.All(Enumerable.Range(0, 6), i =>
        {
            var row = CorpusQuery.Why(new CorpusFolder(In("alone")), $"texts/{4 * i:00}-reordered.txt");
            Assert.Equal(("embedding_duplicate", $"texts/{4 * i:00}.txt"), (row.Rule, row.CopyOf));
        });

        await using var hosts = new SiloHosts(_folder, new Dictionary<string, string?> { ["Orleans:Reminders:ProviderType"] = "Memory" });
        await hosts.StartAsync("one", "data");
        await hosts.StartAsync("two", "data");
        var grain = hosts.Grains.GetGrain<ICorpusGrain>(recipe.Name);
        await grain.SubmitAsync(new CorpusSubmission(In("corpus"), CurationRecipeJson.Canonical(recipe), 2, 16 << 20));
        Assert.Equal("done", (await EndOf(grain)).State);
        Assert.Equal(File.ReadAllText(new CorpusFolder(In("alone")).Summary), File.ReadAllText(new CorpusFolder(In("corpus")).Summary));
    }

    // Of few letters, by which a model of random weights knows a text.
    private static string[] Words(int subject) => [.. Enumerable.Range(0, 60).Select(word => string.Concat(Enumerable.Range(0, 5).Select(letter =>
        (char)('a' + (subject + 5 * (int)new CounterRandom((ulong)subject, RandomPurpose.Synthetic, (ulong)word).Below((ulong)letter, 3)) % 26))))];

    private static async Task<CorpusProgress> EndOf(ICorpusGrain grain)
    {
        var progress = await grain.WaitAsync(-1);
        while (progress.State == "running")
            progress = await grain.WaitAsync(progress.Changes);
        return progress;
    }

    private string In(string name) => Path.Combine(_folder, name);
}
