using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Corpus.Pipeline;

public class CorpusJobTests
{
    private const int Documents = 600;

    [Fact]
    public async Task Run_OneTwoAndFourWorkersAndLittleMemory_SameCorpus()
    {
        using var folder = Texts();
        var first = await Build(folder, "one", workers: 1);
        Assert.Equal(first.CorpusSha256, (await Build(folder, "two", workers: 2)).CorpusSha256);
        Assert.Equal(first.CorpusSha256, (await Build(folder, "four", workers: 4, memory: 1 << 20)).CorpusSha256);
        Assert.Equal(first.CorpusSha256, Sha256OfShards(folder.In("four")));
        Assert.True(first.Partitions > 10);
        Assert.NotEqual(first.CorpusSha256, (await Build(folder, "other", workers: 2, recipe => recipe with { Duplicates = recipe.Duplicates with { Near = null } })).CorpusSha256);
    }

    [Fact]
    public async Task Run_WithAVocabulary_TokenizerOfTheInMemoryPathForAnyWorkersAndMemory()
    {
        using var folder = Texts();
        const int vocabulary = 700;
        static CurationRecipe Asking(CurationRecipe recipe) => recipe with { Tokenizer = new VocabularyRecipe { Vocabulary = vocabulary } };
        var plain = await Build(folder, "plain", workers: 2);
        var expected = TokenizerFile.Serialize(new BytePairTokenizer(BytePairTrainer.Train(Read(folder.In("plain")), new BytePairTrainerOptions { VocabularySize = vocabulary })));
        foreach (var (name, workers, memory) in ((string, int, long)[])[("one", 1, 64 << 20), ("two", 2, 64 << 20), ("four", 4, 1 << 20)])
        {
            var summary = await Build(folder, name, workers, Asking, memory);
            Assert.Equal((plain.CorpusSha256, vocabulary), (summary.CorpusSha256, summary.Tokenizer!.Vocabulary));
            Assert.Equal(expected, File.ReadAllBytes(new CorpusFolder(folder.In(name)).Tokenizer));
            Assert.Equal(TokenizerFile.Sha256(TokenizerFile.Parse(expected, "it")), summary.Tokenizer.Sha256);
        }

        // A corpus that was built without one: its pieces are counted once, whatever sizes are asked for afterwards.
        var corpus = new CorpusFolder(folder.In("plain"));
        var later = CorpusJob.OpenPieces(corpus, new CorpusResources());
        CorpusRunner.RunPhases(later, 2);
        Assert.Equal(vocabulary, later.LearnTokenizer(vocabulary).Vocabulary);
        Assert.Equal(expected, File.ReadAllBytes(corpus.Tokenizer));
        var again = CorpusJob.OpenPieces(corpus, new CorpusResources());
        Assert.Empty(again.Pending(again.Phases.Single()));
        Assert.Equal(400, again.LearnTokenizer(400, folder.In("other.json")).Vocabulary);
        Assert.Equal(expected, File.ReadAllBytes(corpus.Tokenizer));
        Assert.False(Directory.Exists(corpus.Work));

        // Control: a shard that is not counted shows.
        File.Copy(corpus.Pieces(0), corpus.Pieces(1), overwrite: true);
        again.LearnTokenizer(vocabulary, folder.In("other.json"));
        Assert.NotEqual(expected, File.ReadAllBytes(folder.In("other.json")));

        Assert.Contains("by its recipe", Assert.Throws<UserErrorException>(() =>
            CorpusJob.OpenPieces(new CorpusFolder(folder.In("one")), new CorpusResources()).LearnTokenizer(400)).What, StringComparison.Ordinal);
        Assert.Contains("no finished corpus", Assert.Throws<UserErrorException>(() =>
            CorpusJob.OpenPieces(new CorpusFolder(folder.In("none")), new CorpusResources())).What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_ShardsOfACorpus_EveryFieldThatWasWritten()
    {
        using var folder = Texts();
        var summary = await Build(folder, "out", workers: 2);
        var corpus = new CorpusFolder(folder.In("out"));
        var documents = Enumerable.Range(0, summary.Partitions).SelectMany(p => CorpusShard.Read(corpus.Shard(p))).ToList();
        Assert.Equal(Read(folder.In("out")), documents.Select(document => document.Text));
        Assert.All(documents, document => Assert.Equal(("notes", "text/plain", 1.0), (document.Metadata.Dataset, document.Metadata.ContentType, document.Metadata.Weight)));
        Assert.All(documents, document => Assert.InRange(document.Quality, 0.01, 1));
        File.WriteAllBytes(corpus.Shard(0), File.ReadAllBytes(corpus.Shard(0))[..^9]);
        Assert.Contains(corpus.Shard(0), Assert.Throws<UserErrorException>(() => CorpusShard.Read(corpus.Shard(0)).Count()).What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Source_FolderOfACorpus_ItsShardsWithItsTokenizer()
    {
        using var folder = Texts();
        await Build(folder, "out", workers: 2, recipe => recipe with { Tokenizer = new VocabularyRecipe { Vocabulary = 700 } });
        var corpus = new CorpusFolder(folder.In("out"));
        var source = Assert.IsType<BuiltCorpusSource>(CorpusBuilder.Source(corpus.Root));
        Assert.Equal(Read(corpus.Root), source.Read(2).Documents.Select(document => document.Text));
        Assert.Equal(File.ReadAllBytes(corpus.Tokenizer), TokenizerFile.Serialize(source.Tokenizer(700)!));
        var error = Assert.Throws<UserErrorException>(() => source.Tokenizer(4_096));
        Assert.Contains("700", error.What, StringComparison.Ordinal);
        Assert.Contains("tokenizer.vocabulary=700", error.Remedy, StringComparison.Ordinal);
        File.Delete(corpus.Tokenizer);
        Assert.Null(source.Tokenizer(4_096));
        Assert.IsType<FolderSource>(CorpusBuilder.Source(corpus.Shards));
    }

    [Fact]
    public async Task Build_InMemoryOfABuiltCorpus_RepeatsAndQualitiesStay()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 30; i++)
            folder.Write($"many/{i}.txt", string.Join(' ', Enumerable.Range(0, 12).Select(s => Sentence(i * 12 + s)))).Write($"few/{i}.txt", $"Tale {i} is short: {Sentence(i * 31)} {Sentence(i * 37 + 1)}");
        var recipe = Recipe(folder) with
        {
            Sources = [new FolderRecipe { Name = "many", Path = folder.In("many") }, new FolderRecipe { Name = "few", Path = folder.In("few") }],
            Duplicates = new DuplicatesRecipe { Near = null },
            Mix = new Cluster.Data.Corpus.Mixing.MixOptions { Targets = new Dictionary<string, double> { ["many"] = 0.5, ["few"] = 0.5 }, MaximumRepeats = 3 },
        };
        var summary = await Build(folder, "out", 2, _ => recipe);
        var options = new CorpusOptions { TrainFraction = 0.8, ValidationFraction = 0.2, TestFraction = 0 };
        var built = new CorpusBuilder(options).Build(CorpusBuilder.Source(folder.In("out")));
        var shards = Enumerable.Range(0, summary.Partitions).SelectMany(p => CorpusShard.Read(new CorpusFolder(folder.In("out")).Shard(p))).ToList();
        Assert.Equal(90, shards.Count(document => document.Metadata.Dataset == "few"));
        var documents = built.Train.Concat(built.Validation).ToDictionary(document => document.Id);
        Assert.Equal(shards.Count, documents.Count);
        Assert.All(shards, document => Assert.Equal((document.Quality, document.Metadata), (documents[document.Id].Quality, documents[document.Id].Metadata)));
        // No copy of what is trained on is held out.
        Assert.Empty(built.Train.Select(document => document.Text).Intersect(built.Validation.Select(document => document.Text)));
        Assert.Equal(0.2, built.Validation.Count / (double)shards.Count, 0.15);

        // Control: the shards alone are texts like any others, of which each counts once.
        var texts = new CorpusBuilder(options).Build(CorpusBuilder.Source(new CorpusFolder(folder.In("out")).Shards));
        Assert.Equal(shards.Select(document => document.Text).Distinct().Count(), texts.Train.Count + texts.Validation.Count);
    }

    [Fact]
    public async Task Run_StoppedAfterEachUnit_SameFilesAsAtOnce()
    {
        using var folder = Texts();
        var whole = await Build(folder, "whole", workers: 2);
        CorpusSummary? summary = null;
        var stops = 0;
        while (summary is null)
        {
            using var stop = new CancellationTokenSource();
            var units = 0;
            var phase = "";
            try
            {
                var job = await CorpusJob.PrepareAsync(new CorpusFolder(folder.In("stopped")), Recipe(folder), new CorpusResources { Workers = 1 });
                summary = CorpusRunner.Run(job, 1, progress =>
                {
                    // The first word of each phase is of units that were done before.
                    if (progress.Phase == phase && ++units == 3)
                        stop.Cancel();
                    phase = progress.Phase;
                }, stop.Token);
            }
            catch (OperationCanceledException)
            {
                stops++;
            }
        }

        Assert.True(stops > 5);
        Assert.Equal(File.ReadAllText(folder.In("whole/corpus.json")), File.ReadAllText(folder.In("stopped/corpus.json")));
        foreach (var file in Directory.GetFiles(folder.In("whole/provenance")))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(folder.In("stopped/provenance"), Path.GetFileName(file))));
        Assert.Equal(whole.CorpusSha256, summary.CorpusSha256);
    }

    [Fact]
    public async Task Run_EachInputDocument_OneRowThatSaysWhatBecameOfIt()
    {
        using var folder = Texts();
        var summary = await Build(folder, "out", workers: 2);
        var corpus = new CorpusFolder(folder.In("out"));
        var rows = Enumerable.Range(0, summary.Partitions).SelectMany(p => ProvenanceFile.Read(corpus.Provenance(p))).ToList();

        Assert.Equal(Documents + 3, rows.Count);
        Assert.Equal(rows.Count, rows.Select(row => row.Id).Distinct().Count());
        Assert.Equal(summary.Documents, rows.Count(row => row.Kept));
        Assert.All(rows, row => Assert.Equal(row.Kept, row.Stage is null));
        Assert.Equal(1, rows.Count(row => row is { Stage: "plain-text", Rule: "too_short" }));
        var exact = rows.Where(row => row.Rule == "exact_duplicate").ToList();
        Assert.Equal(Documents / 10, exact.Count);
        Assert.All(exact, row => Assert.True(rows.Single(other => other.Id == row.CopyOf).Kept));
        Assert.Equal("near_duplicate", rows.Single(row => row.Id == "notes/near.txt").Rule);
        Assert.Equal(("read", "malformed_xml"), rows.Where(row => row.Id == "notes/bad.xml").Select(row => (row.Stage!, row.Rule!)).Single());
        // The funnel adds up, stage by stage.
        foreach (var (before, after) in summary.Statistics.Stages.Zip(summary.Statistics.Stages.Skip(1)))
            Assert.Equal(before.Out, after.In);
        Assert.All(summary.Statistics.Stages, stage => Assert.Equal(stage.In - stage.Out, stage.Dropped.Values.Sum()));
        Assert.Equal(summary.Documents, summary.Statistics.Stages[^1].Out);
        Assert.Equal(summary.Documents, summary.Statistics.Quality.Sum());
    }

    [Fact]
    public async Task Run_TooMuchUnreadable_StopsAndSaysWhat()
    {
        using var folder = Texts();
        var error = await Assert.ThrowsAsync<UserErrorException>(() => Build(folder, "out", 2, recipe => recipe with { MaximumFailedShare = 0.001 }));
        Assert.Contains("1 malformed_xml", error.What, StringComparison.Ordinal);
        Assert.Contains("maximum_failed_share", error.Remedy, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.In("out/corpus.json")));
    }

    [Fact]
    public async Task Run_RepeatedParagraphs_OnlyTheFirstStays()
    {
        using var folder = new TempFolder();
        const string notice = "This notice stands on every page of the site and says nothing about the page.";
        for (var i = 0; i < 5; i++)
            folder.Write($"in/{i}.txt", $"{Sentence(i)} {Sentence(i + 100)}\n\n{notice}\n\n{Sentence(i + 200)}");
        folder.Write("in/9.txt", notice + "\n\n" + notice);
        var summary = await Build(folder, "out", 1, recipe => recipe with { Duplicates = new DuplicatesRecipe { Near = null, Units = new UnitDuplicatesRecipe() } });
        Assert.Equal((5, 1L), (summary.Documents, summary.Statistics.Stages[^1].Dropped["repeated_parts"]));
        var texts = Read(folder.In("out"));
        Assert.Equal(1, texts.Count(text => text.Contains(notice, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Run_EarlierCorpus_WhatItHoldsGoes()
    {
        using var folder = Texts();
        await Build(folder, "earlier", 2, recipe => recipe with { Duplicates = recipe.Duplicates with { KeepSignatures = true } });
        folder.Write("in/zz-new.txt", string.Join(' ', Enumerable.Range(5_000, 12).Select(Sentence)));
        var summary = await Build(folder, "later", 2, recipe => recipe with { Duplicates = recipe.Duplicates with { Earlier = [folder.In("earlier")] } });
        Assert.Equal(1, summary.Documents);
    }

    [Fact]
    public async Task Run_ReferencePreset_TextsAndQualitiesOfTheBuilderInMemory()
    {
        using var folder = new TempFolder();
        string[] assemblies = ["System.Collections", "System.Linq"];
        var source = (ReferenceRecipe)CurationPresets.ReferenceCorpus.Sources[0];
        var recipe = CurationPresets.ReferenceCorpus with { Sources = [source with { Assemblies = assemblies }], Limits = new ReadLimits { PartitionBytes = 64 << 10 } };
        CorpusRunner.Run(await CorpusJob.PrepareAsync(new CorpusFolder(folder.In("out")), recipe, new CorpusResources()), 2);

        var documents = new DotnetReferenceSource(null, assemblies).Read(2).Documents;
        var (inMemory, _) = Curator.Curate(documents, new CorpusOptions(), new HeuristicQualityScorer());

        Assert.Equal(inMemory.Select(document => document.Text), Read(folder.In("out")));
        // A built corpus is a source for training; groups, by which texts are held out, come with it.
        var again = new FolderSource(new CorpusFolder(folder.In("out")).Shards).Read(2).Documents;
        Assert.Equal(inMemory.Select(document => (document.Group, document.Title, document.Text)), again.Select(document => (document.Group, document.Title, document.Text)));
    }

    [Fact]
    public async Task Prepare_FolderOfAnotherRecipe_Refused()
    {
        using var folder = Texts();
        await Build(folder, "out", 2);
        await Assert.ThrowsAsync<UserErrorException>(() => Build(folder, "out", 2, recipe => recipe with { Seed = 9 }));
    }

    [Fact]
    public void Parse_CanonicalForm_RoundTripsAndRefusesTheUnknown()
    {
        var recipe = CurationPresets.ReferenceCorpus with { Stages = CurationPresets.Web };
        Assert.Equal(CurationRecipeJson.Hash(recipe), CurationRecipeJson.Hash(CurationRecipeJson.Parse(CurationRecipeJson.Indented(recipe), "it")));
        // A recipe that says nothing of a vocabulary is, to the letter, what it was before there was one to ask for.
        Assert.DoesNotContain("\"tokenizer\"", CurationRecipeJson.Canonical(recipe), StringComparison.Ordinal);
        var source = "\"sources\":[{\"kind\":\"folder\",\"name\":\"a\",\"path\":\"b\"}]";
        Assert.Equal(0.5, ((Cluster.Data.Corpus.Filters.PlainTextOptions)CurationRecipeJson.Parse($"{{{source},\"stages\":[{{\"stage\":\"plain-text\",\"minimum_letters\":0.5}}]}}", "it").Stages[0].Options).MinimumLetters);
        foreach (var (json, part) in ((string, string)[])[
            ($"{{{source},\"stages\":[{{\"stage\":\"nothing\"}}]}}", "No stage is called \"nothing\""),
            ($"{{{source},\"stages\":[{{\"stage\":\"plain-text\",\"minimum\":1}}]}}", "minimum"),
            ("{\"sources\":[{\"kind\":\"carrier_pigeon\",\"name\":\"a\"}]}", "carrier_pigeon"),
            ($"{{{source},\"typo\":1}}", "typo"),
            ("{\"sources\":[]}", "sources is empty"),
            ($"{{{source},\"tokenizer\":{{\"vocabulary\":100}}}}", "tokenizer.vocabulary is 100"),
            ("{\"sources\":[{\"kind\":\"folder\",\"name\":\"a/b\",\"path\":\"b\"}]}", "a/b"),
        ])
            Assert.Contains(part, Assert.Throws<UserErrorException>(() => CurationRecipeJson.Parse(json, "it")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_RecipeOfTheReadme_IsOne()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Cluster.sln")))
            folder = Path.GetDirectoryName(folder)!;
        var readme = File.ReadAllText(Path.Combine(folder, "README.md"));
        var block = readme[(readme.IndexOf("## Make a corpus\n", StringComparison.Ordinal) + 17)..];
        var recipe = CurationRecipeJson.Parse(block[..block.IndexOf("\n\n", StringComparison.Ordinal)], "README");
        Assert.Equal(("mine", 3, 5), (recipe.Name, recipe.Sources.Count, recipe.Stages.Count));
    }

    internal static string Sentence(int i) =>
        $"Sentence {i} tells of the {Word(i * 3)} and the {Word(i * 5 + 1)}, which is {Word(i * 7 + 2)} when the {Word(i * 11 + 3)} comes to the {Word(i * 13 + 4)}.";

    /// <summary>600 texts of which each tenth is an exact copy, one near-duplicate, one too short and one that is no XML.</summary>
    internal static TempFolder Texts()
    {
        var folder = new TempFolder();
        for (var i = 0; i < Documents; i++)
        {
            var subject = i % 10 == 9 ? i - 5 : i;
            folder.Write($"in/{i:0000}.txt", string.Join(' ', Enumerable.Range(0, 12).Select(s => Sentence(subject * 12 + s))));
        }

        folder.Write("in/near.txt", string.Join(' ', Enumerable.Range(0, 12).Select(Sentence)).Replace("Sentence 11 tells", "A sentence tells", StringComparison.Ordinal));
        folder.Write("in/short.txt", "too short");
        folder.Write("in/bad.xml", "<open>");
        return folder;
    }

    internal static CurationRecipe Recipe(TempFolder folder) => new()
    {
        Name = "test",
        Sources = [new FolderRecipe { Name = "notes", Path = folder.In("in") }],
        Stages = CurationPresets.Reference,
        Duplicates = new DuplicatesRecipe { Near = new NearDuplicatesRecipe { MinimumSimilarity = 0.5 } },
        Limits = new ReadLimits { PartitionBytes = 40 << 10 },
        MaximumFailedShare = 0.05,
    };

    private static string Word(int i) => ((string[])["river", "stone", "lamp", "road", "winter", "letter", "garden", "machine", "window", "market"])[i % 10] + (char)('a' + i / 10 % 26) + (char)('a' + i / 260 % 26);

    private static async Task<CorpusSummary> Build(TempFolder folder, string name, int workers, Func<CurationRecipe, CurationRecipe>? change = null, long memory = 64 << 20)
    {
        var recipe = change?.Invoke(Recipe(folder)) ?? Recipe(folder);
        var job = await CorpusJob.PrepareAsync(new CorpusFolder(folder.In(name)), recipe, new CorpusResources { Workers = workers, MemoryBytes = memory });
        return CorpusRunner.Run(job, workers);
    }

    private static List<string> Read(string corpus) =>
        [.. Directory.GetFiles(new CorpusFolder(corpus).Shards).Order(StringComparer.Ordinal).SelectMany(path =>
            Cluster.Data.Tests.Corpus.Sources.FileReadingTests.Reading().Read(Path.GetDirectoryName(path)!, new SourceFile(Path.GetFileName(path), 0), default)).Select(item => item.Document!.Text)];

    /// <summary>The stated hash once more, from the files alone.</summary>
    private static string Sha256OfShards(string corpus)
    {
        var digests = Directory.GetFiles(new CorpusFolder(corpus).Shards).Order(StringComparer.Ordinal).Select(path =>
        {
            using var stream = Cluster.Data.Corpus.Sources.Files.Compression.Open(path);
            return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(stream));
        });
        return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(string.Concat(digests))));
    }
}
