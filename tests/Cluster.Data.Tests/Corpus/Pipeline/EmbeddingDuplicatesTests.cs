using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Tests.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Pipeline;

/// <summary>
/// Near-duplicates by vectors of a constructed model: a text is the sum of its words' directions, and words that differ by a final "x" are
/// synonyms to it, so that it knows a paraphrase of which no shingle is left.
/// </summary>
public sealed class EmbeddingDuplicatesTests : IDisposable
{
    private const int Subjects = 120, Paraphrased = 30;
    private readonly TempFolder _folder = new();
    private readonly Synonyms _models = new();

    public EmbeddingDuplicatesTests()
    {
        for (var i = 0; i < Subjects; i++)
            _folder.Write($"in/{i:000}.txt", Text(i));
        // The longer one of two stays: the original.
        for (var i = 0; i < Paraphrased; i++)
            _folder.Write($"in/paraphrase{i:000}.txt", Paraphrase(i));
        // Seven words of ten, a cosine of about 0.7: alike, and another text.
        for (var i = 0; i < Paraphrased; i++)
            _folder.Write($"in/related{i:000}.txt", string.Join(' ', [.. Text(i).Split(' ')[..42], .. Text(1_000 + i).Split(' ')[..18]]));
        _folder.Write("in/copy.txt", Text(5));
        _folder.Write("in/edited.txt", Text(50)[..^7] + "changed");
        _folder.Write("in/marks.txt", "... !!! ... ??? ... --- ...");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Run_PlantedParaphrases_GoByEmbeddingsAndNothingElseDoes()
    {
        var summary = await Build("out");
        var rows = Rows("out");
        var gone = rows.Where(row => row.Rule == "embedding_duplicate").ToList();
        Assert.Equal([.. Enumerable.Range(0, Paraphrased).Select(i => $"notes/paraphrase{i:000}.txt")], gone.Select(row => row.Id).Order(StringComparer.Ordinal));
        Assert.All(gone, row => Assert.Equal(("duplicates", "notes/" + row.Id[^7..], 0.9), (row.Stage, row.CopyOf, row.Limit)));
        Assert.All(gone, row => Assert.InRange(row.Value!.Value, 0.95, 1));
        Assert.Equal(("exact_duplicate", "near_duplicate"), (rows.Single(row => row.Id == "notes/copy.txt").Rule, rows.Single(row => row.Id == "notes/edited.txt").Rule));
        Assert.Equal(Subjects + Paraphrased + 1, summary.Documents);
        // To shingles the copy is near too.
        Assert.Equal((Paraphrased, 2, _models.Model), (summary.Embeddings!.Dropped, summary.Near!.Dropped, summary.EmbeddingModel));
        Assert.Equal(Paraphrased, summary.Statistics.Stages[^1].Dropped["embedding_duplicate"]);
        // What has no tokens, and the copy, take no part; what is edited is one of a pair by both. A text, its copy and its paraphrase are one cluster.
        Assert.Equal((Subjects + 2 * Paraphrased + 1, Paraphrased + 1, Paraphrased + 1, 3), (summary.Embeddings.Documents, summary.Embeddings.Pairs, summary.Embeddings.Clusters, summary.Embeddings.LargestCluster));

        // Control: shingles know none of them.
        var shingles = await Build("shingles", recipe => recipe with { Duplicates = recipe.Duplicates with { Embeddings = null } });
        Assert.Equal((Subjects + 2 * Paraphrased + 1, 2), (shingles.Documents, shingles.Near!.Dropped));
    }

    [Fact]
    public async Task Run_AnyWorkersAndMemoryOrStopsOnTheWay_SameCorpus()
    {
        var one = await Build("one", workers: 1);
        Assert.True(one.Partitions > 10);
        foreach (var (name, workers, memory) in ((string, int, long)[])[("two", 2, 64 << 20), ("four", 4, 1 << 20)])
        {
            Assert.Equal(one.CorpusSha256, (await Build(name, workers: workers, memory: memory)).CorpusSha256);
            AssertSameFiles(name);
        }

        CorpusSummary? summary = null;
        var stopped = new HashSet<string>();
        while (summary is null)
        {
            using var stop = new CancellationTokenSource();
            var (phase, units) = ("", 0);
            try
            {
                summary = CorpusRunner.Run(await Prepare("stopped", Recipe(), 1, 64 << 20), 1, progress =>
                {
                    // The first word of each phase is of units that were done before.
                    if (progress.Phase == phase && ++units == 5)
                    {
                        stopped.Add(phase);
                        stop.Cancel();
                    }

                    phase = progress.Phase;
                }, stop.Token);
            }
            catch (OperationCanceledException)
            {
            }
        }

        Assert.Superset(new HashSet<string> { "embed", "embedding-bands" }, stopped);
        AssertSameFiles("stopped");
        Assert.NotEqual(one.CorpusSha256, (await Build("other", recipe => With(recipe, embeddings => embeddings with { MinimumCosine = 0.5 }))).CorpusSha256);

        void AssertSameFiles(string name)
        {
            Assert.Equal(File.ReadAllText(_folder.In("one/corpus.json")), File.ReadAllText(_folder.In($"{name}/corpus.json")));
            foreach (var kind in (string[])["provenance", "signatures-kept/embeddings"])
            {
                foreach (var file in Directory.GetFiles(_folder.In($"one/{kind}")))
                    Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(_folder.In($"{name}/{kind}"), Path.GetFileName(file))));
            }
        }
    }

    [Fact]
    public async Task Run_ExactCopies_AreNotEmbeddedAgain()
    {
        for (var i = 0; i < 50; i++)
            _folder.Write($"in/copy{i:000}.txt", Text(i));
        await Build("out");
        Assert.Equal(Subjects + 2 * Paraphrased + 2, _models.Embedded.Count);
        Assert.Equal(_models.Embedded.Count, _models.Embedded.Distinct().Count());
        Assert.Equal(_models.Opened, _models.Closed);
    }

    [Fact]
    public async Task Run_EmbeddingsAlone_CopiesAndEditsGoByThemToo()
    {
        var summary = await Build("out", recipe => recipe with { Duplicates = recipe.Duplicates with { Exact = false, Near = null } });
        Assert.Equal((Paraphrased + 2, null, null), (summary.Embeddings!.Dropped, summary.Near, summary.Exact));
        Assert.All((string[])["copy", "edited"], name => Assert.Equal("embedding_duplicate", Rows("out").Single(row => row.Id == $"notes/{name}.txt").Rule));
    }

    [Fact]
    public async Task Run_EarlierCorpus_WhatItHoldsInOtherWordsGoes()
    {
        await Build("earlier");
        _folder.Write("new/a.txt", Paraphrase(70)).Write("new/b.txt", Text(2_000)).Write("new/c.txt", Text(80));
        CurationRecipe Later(CurationRecipe recipe) => recipe with
        {
            Sources = [new FolderRecipe { Name = "new", Path = _folder.In("new") }],
            Duplicates = recipe.Duplicates with { Earlier = [_folder.In("earlier")] },
        };

        Assert.Equal(1, (await Build("later", Later)).Documents);
        var rows = Rows("later");
        Assert.Equal(("embedding_duplicate", "exact_duplicate", null), (rows[0].Rule, rows[2].Rule, rows[1].Rule));
        Assert.StartsWith(_folder.In("earlier") + "#", rows[0].CopyOf, StringComparison.Ordinal);

        // Control: by shingles the paraphrase is news.
        Assert.Equal(2, (await Build("shingles", recipe => Later(recipe) with { Duplicates = Later(recipe).Duplicates with { Embeddings = null } })).Documents);

        // Refused before anything is read: an earlier corpus of another model, of other planes, or without embeddings.
        _models.Model = _models.Model with { Sha256 = "another" };
        var error = await Assert.ThrowsAsync<UserErrorException>(() => Build("another", Later));
        Assert.Contains(_folder.In("earlier"), error.What, StringComparison.Ordinal);
        Assert.Contains("model another", error.What, StringComparison.Ordinal);
        _models.Model = Synonyms.Default;
        Assert.Contains("bits 9", (await Assert.ThrowsAsync<UserErrorException>(
            () => Build("planes", recipe => With(Later(recipe), embeddings => embeddings with { Bits = 9 })))).What, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.In("another/plan.json")) || File.Exists(_folder.In("planes/plan.json")));
        await Build("bare", recipe => recipe with { Duplicates = recipe.Duplicates with { Embeddings = null } });
        Assert.Contains("\"embeddings\"", (await Assert.ThrowsAsync<UserErrorException>(
            () => Build("refused", recipe => recipe with { Duplicates = recipe.Duplicates with { Earlier = [_folder.In("bare")] } }))).What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_EarlierDocumentThatLostAParagraph_IsOneDocumentToShinglesAndVectors()
    {
        foreach (var i in (int[])[300, 301])
            _folder.Write($"old/{i}.txt", $"{Text(i)}\n\n{Text(3_000)}");
        _folder.Write("new/a.txt", Text(301) + " more").Write("new/b.txt", Paraphrase(301));
        CurationRecipe Of(CurationRecipe recipe, string source) => With(recipe, embeddings => embeddings with { MinimumCosine = 0.6, Bits = 8 }) with
        {
            Sources = [new FolderRecipe { Name = source, Path = _folder.In(source) }],
        };
        await Build("earlier", recipe => Of(recipe, "old") with { Duplicates = Of(recipe, "old").Duplicates with { Units = new UnitDuplicatesRecipe() } });
        Assert.Equal(1, Rows("earlier").Single(row => row.UnitsRemoved is not null).UnitsRemoved);
        await Build("later", recipe => Of(recipe, "new") with { Duplicates = Of(recipe, "new").Duplicates with { Earlier = [_folder.In("earlier")] } });
        var rows = Rows("later");
        Assert.Equal(["near_duplicate", "embedding_duplicate"], rows.Select(row => row.Rule));
        Assert.Equal(rows[0].CopyOf, rows[1].CopyOf);
    }

    [Theory]
    [InlineData(0.0, 32, 16, "minimum_cosine is 0")]
    [InlineData(-0.5, 32, 16, "minimum_cosine is -0.5")]
    [InlineData(1.01, 32, 16, "minimum_cosine is 1.01")]
    [InlineData(double.NaN, 32, 16, "minimum_cosine is NaN")]
    [InlineData(0.9, 0, 16, "tables is 0")]
    [InlineData(0.9, 32, 65, "bits is 65")]
    public void Validate_OutOfRange_NamesTheField(double cosine, int tables, int bits, string what) =>
        Assert.Contains("duplicates.embeddings." + what, Assert.Throws<UserErrorException>(
            () => With(Recipe(), embeddings => embeddings with { MinimumCosine = cosine, Tables = tables, Bits = bits }).Validate()).What, StringComparison.Ordinal);

    [Fact]
    public async Task Prepare_NoModel_SaysSo()
    {
        Assert.Contains("duplicates.embeddings.model is empty", Assert.Throws<UserErrorException>(
            () => With(Recipe(), embeddings => embeddings with { Model = "" }).Validate()).What, StringComparison.Ordinal);
        Assert.Contains("has none", (await Assert.ThrowsAsync<UserErrorException>(
            () => CorpusJob.PrepareAsync(new CorpusFolder(_folder.In("out")), Recipe(), new CorpusResources()))).What, StringComparison.Ordinal);
        // A recipe that says nothing of embeddings is, to the letter, what it was before there were any.
        Assert.DoesNotContain("embeddings", CurationRecipeJson.Canonical(CurationPresets.ReferenceCorpus), StringComparison.Ordinal);
        Assert.Equal(CurationRecipeJson.Hash(Recipe()), CurationRecipeJson.Hash(CurationRecipeJson.Parse(CurationRecipeJson.Indented(Recipe()), "it")));
    }

    private static string Text(int subject) => string.Join(' ', Planted.Words((ulong)subject, 60));

    /// <summary>Each third word by its synonym, and the last left out: no 5-gram stays.</summary>
    private static string Paraphrase(int subject) =>
        string.Join(' ', Planted.Words((ulong)subject, 60).Select((word, i) => i % 3 == 1 ? word[..6] + (word[6] == 'x' ? "y" : "x") : word).SkipLast(1));

    private static CurationRecipe With(CurationRecipe recipe, Func<EmbeddingDuplicatesRecipe, EmbeddingDuplicatesRecipe> change) =>
        recipe with { Duplicates = recipe.Duplicates with { Embeddings = change(recipe.Duplicates.Embeddings!) } };

    private CurationRecipe Recipe() => new()
    {
        Name = "test",
        Sources = [new FolderRecipe { Name = "notes", Path = _folder.In("in") }],
        Stages = [StageRecipe.Of(Normalise.StageName)],
        Duplicates = new DuplicatesRecipe
        {
            Near = new NearDuplicatesRecipe { MinimumSimilarity = 0.7 },
            Embeddings = new EmbeddingDuplicatesRecipe { Model = "synonyms", MinimumCosine = 0.9 },
            KeepSignatures = true,
        },
        Limits = new ReadLimits { PartitionFiles = 16 },
    };

    private Task<CorpusJob> Prepare(string name, CurationRecipe recipe, int workers, long memory) => CorpusJob.PrepareAsync(
        new CorpusFolder(_folder.In(name)), recipe, new CorpusResources { Workers = workers, MemoryBytes = memory, Embeddings = _models });

    private async Task<CorpusSummary> Build(string name, Func<CurationRecipe, CurationRecipe>? change = null, int workers = 2, long memory = 64 << 20) =>
        CorpusRunner.Run(await Prepare(name, change?.Invoke(Recipe()) ?? Recipe(), workers, memory), workers);

    private List<ProvenanceRow> Rows(string name)
    {
        var corpus = new CorpusFolder(_folder.In(name));
        return [.. Enumerable.Range(0, CorpusSummary.Require(corpus).Partitions).SelectMany(p => ProvenanceFile.Read(corpus.Provenance(p)))];
    }

    private sealed class Synonyms : IEmbeddingModels
    {
        public static readonly EmbeddingModel Default = new("synonyms1", 64);
        private readonly Lock _gate = new();

        public EmbeddingModel Model { get; set; } = Default;

        public List<string> Embedded { get; } = [];

        public int Opened { get; private set; }

        public int Closed { get; private set; }

        public EmbeddingModel Copy(string model, string folder)
        {
            Assert.Equal("synonyms", model);
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "model"), Model.Sha256);
            return Model;
        }

        public ITextEmbedder Open(string folder, EmbeddingModel model)
        {
            Assert.Equal(model.Sha256, File.ReadAllText(Path.Combine(folder, "model")));
            lock (_gate)
                Opened++;
            return new Embedder(this);
        }

        private sealed class Embedder(Synonyms models) : ITextEmbedder
        {
            public float[] Embed(string text, CancellationToken cancellation)
            {
                lock (models._gate)
                    models.Embedded.Add(text);
                string[] words = [.. text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Where(word => char.IsLetter(word[0]))];
                if (words.Length == 0)
                    return [];
                float[] sum = new float[models.Model.Dimensions], direction = new float[sum.Length];
                foreach (var word in words)
                {
                    // Synonyms share all but the last letter.
                    var stem = BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(word[..^1])));
                    new CounterRandom(1, RandomPurpose.Synthetic, stem).Normal(direction, 1);
                    for (var i = 0; i < sum.Length; i++)
                        sum[i] += direction[i];
                }

                return sum;
            }

            public void Dispose()
            {
                lock (models._gate)
                    models.Closed++;
            }
        }
    }
}
