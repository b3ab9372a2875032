using System.Globalization;
using Cluster.Contracts.Corpus;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;
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

    private static async Task<CorpusProgress> EndOf(ICorpusGrain grain)
    {
        var progress = await grain.WaitAsync(-1);
        while (progress.State == "running")
            progress = await grain.WaitAsync(progress.Changes);
        return progress;
    }

    private string In(string name) => Path.Combine(_folder, name);
}
