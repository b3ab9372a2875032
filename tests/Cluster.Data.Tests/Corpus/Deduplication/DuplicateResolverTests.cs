using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Deduplication;

public sealed class DuplicateResolverTests
{
    /// <summary>Pairs of exact Jaccard similarity: shared / (2 shingles - shared).</summary>
    [Theory]
    [InlineData(0.70, 170, 140, 0.564)]
    [InlineData(0.75, 175, 150, 0.772)]
    [InlineData(0.80, 180, 160, 0.924)]
    [InlineData(0.85, 185, 170, 0.988)]
    public void Resolve_PlantedPairs_AreFoundAsOftenAsTheCurveSays(double similarity, int shingles, int shared, double published)
    {
        const int pairs = 1500;
        Assert.Equal(similarity, shared / (2.0 * shingles - shared), 12);
        var recall = new MinHashOptions().Recall(similarity);
        Assert.Equal(published, recall, 0.001);

        // A text and its variant stand in different partitions; 300 texts in each have no partner.
        var left = new List<(string, double)>();
        var right = new List<(string, double)>();
        for (ulong i = 0; i < pairs; i++)
        {
            var (a, b) = Planted.Pair(i, shingles, shared);
            left.Add((a, 0));
            right.Add((b, 0));
        }

        for (ulong i = 0; i < 300; i++)
        {
            left.Add((string.Join(' ', Planted.Words(1_000_000 + i, 200)), 0));
            right.Add((string.Join(' ', Planted.Words(2_000_000 + i, 200)), 0));
        }

        var (decisions, report) = Planted.Near([left, right]);

        // No two others were joined: each decision is about one pair.
        var found = decisions.Select(d => d.Split('/', ' ', ':')).ToList();
        Assert.All(found, d => Assert.Equal(("1", d[1], "0", d[1]), (d[0], d[1], d[5], d[6])));
        Assert.All(found, d => Assert.True(int.Parse(d[1], System.Globalization.CultureInfo.InvariantCulture) < pairs));
        Assert.Equal((2 * (pairs + 300), found.Count, found.Count, 2), (report.Documents, report.Clusters, report.Dropped, report.LargestCluster));

        // Four standard deviations of a binomial share: of 16,000 choices of words one would miss, and these are fixed.
        var deviation = Math.Sqrt(recall * (1 - recall) / pairs);
        Assert.InRange(found.Count / (double)pairs, recall - 4 * deviation, recall + 4 * deviation);

        // The estimate is a mean of 112 draws; of pairs that were found it is above the truth on average, and close.
        var estimate = found.Average(d => double.Parse(d[8], System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(estimate, similarity - 0.005, similarity + 0.035);
    }

    [Fact]
    public void Resolve_DistantPairs_AreNotJoined()
    {
        // Similarity 0.1: the curve says one of seven million.
        var texts = Enumerable.Range(0, 500).SelectMany(i => { var (a, b) = Planted.Pair((ulong)i, 110, 20); return new[] { (a, 0.0), (b, 0.0) }; }).ToList();
        Assert.Empty(Planted.Near([texts]).Decisions);
    }

    [Fact]
    public void Resolve_AnyBudgetOrderAndWorkers_DecidesAlike()
    {
        // Families of one to nine variants, dealt to seven partitions; with 60 bands there are more records than a budget of 1 MiB holds.
        var partitions = Enumerable.Range(0, 7).Select(_ => new List<(string Text, double Quality)>()).ToArray();
        var random = new CounterRandom(8, RandomPurpose.Synthetic, 1);
        for (ulong family = 0; family < 400; family++)
        {
            var words = Planted.Words(family, 60);
            for (ulong variant = 0; variant <= family % 9; variant++)
            {
                var changed = words.ToArray();
                changed[random.Below(family * 20 + variant, 60)] = "other";
                changed[random.Below(family * 20 + variant + 10, 60)] = $"more{variant}";
                partitions[random.Below(family * 20 + variant + 15, 7)].Add((string.Join(' ', changed), random.Below(family * 9 + variant, 3) / 2.0));
            }
        }

        var options = new MinHashOptions { Bands = 60, Rows = 4 };
        var (expected, report) = Planted.Near(partitions, options);
        Assert.InRange(report.Clusters, 340, 356);
        foreach (var minimum in new double?[] { null, 0.75 })
        {
            (expected, report) = Planted.Near(partitions, options, minimum: minimum);
            foreach (var (memory, workers, reversed) in new[] { (1L << 20, 1, true), (1L << 20, 4, false), (1L << 28, 3, true) })
            {
                var (decisions, other) = Planted.Near(partitions, options, new ResolverResources { MemoryBytes = memory, Workers = workers }, minimum, reversed: reversed);
                Assert.Equal(report, other);
                Assert.Equal(expected, decisions);
            }
        }
    }

    [Fact]
    public void Band_EachApartInAnyOrder_DecidesAsAllTogether()
    {
        using var folder = new TempFolder();
        var options = new MinHashOptions { Bands = 12, Rows = 3 };
        string[] files = [folder.In("0.bin"), folder.In("1.bin")];
        for (var partition = 0; partition < 2; partition++)
        {
            using var writer = new SignatureWriter(files[partition], partition, options);
            for (ulong family = 0; family < 60; family++)
            {
                var words = Planted.Words(family, 50);
                words[(int)((family * 7 + (ulong)partition * 3) % 50)] = "other";
                writer.Add(string.Join(' ', words), 0.5);
            }

            writer.Complete();
        }

        var resources = new ResolverResources { MemoryBytes = 1 << 20, Workers = 2, ScratchFolder = folder.Path };
        var together = DuplicateResolver.Resolve(files, [], folder.In("together"), 0.5, resources);
        var bands = Enumerable.Range(0, options.Bands).Select(band => folder.In($"band-{band}")).ToArray();
        var compared = Enumerable.Range(0, options.Bands).Reverse().Select(band => DuplicateResolver.Band(files, [], 0.5, band, bands[band], resources)).Distinct().Single();
        var apart = DuplicateResolver.Join([new ComparedDocuments(files, [], [.. bands.Reverse()], compared, folder.In("apart"))], resources).Single();
        Assert.Equal(together, apart);
        Assert.InRange(apart.Dropped, 50, 60);
        foreach (var partition in (int[])[0, 1])
            Assert.Equal(File.ReadAllBytes(DecisionReader.PathOf(folder.In("together"), partition)), File.ReadAllBytes(DecisionReader.PathOf(folder.In("apart"), partition)));
        // Control: a band that is missing shows.
        Assert.NotEqual(together.Pairs, DuplicateResolver.Join([new ComparedDocuments(files, [], bands[..1], compared, folder.In("less"))], resources).Single().Pairs);
    }

    [Fact]
    public void Join_TwoKinds_OneClusterAndTheFirstKindThatLeadsToItsFirst()
    {
        // Better ones first: by shingles b and c are one, and d and e; by vectors c is the same as a, and e as d; f is nobody's.
        string[] texts = [Text(1, ""), Text(2, ""), Text(2, "more"), Text(3, ""), Text(3, "more"), Text(4, "")];
        int[] directions = [1, 2, 1, 3, 3, 4];
        using var folder = new TempFolder();
        var planes = new HyperplaneOptions { Dimensions = 8, Tables = 2, Bits = 4 };
        using (var signatures = new SignatureWriter(folder.In("texts"), 0, new MinHashOptions()))
        using (var vectors = new VectorSignatureWriter(folder.In("vectors"), 0, planes))
        {
            for (var i = 0; i < texts.Length; i++)
            {
                signatures.Add(texts[i], 1 - i / 10.0);
                var vector = new float[8];
                vector[directions[i]] = 1;
                vectors.Add(vector, texts[i].Length, 1 - i / 10.0);
            }

            signatures.Complete();
            vectors.Complete();
        }

        var resources = new ResolverResources { MemoryBytes = 1 << 20, Workers = 1 };
        var kinds = new[] { ("texts", 0.8, 14), ("vectors", 0.9, planes.Tables) }.Select(kind =>
        {
            var bands = Enumerable.Range(0, kind.Item3).Select(band => folder.In($"{kind.Item1}-{band}")).ToArray();
            var documents = bands.Select((path, band) => DuplicateResolver.Band([folder.In(kind.Item1)], [], kind.Item2, band, path, resources)).Distinct().Single();
            return new ComparedDocuments([folder.In(kind.Item1)], [], bands, documents, folder.In("by-" + kind.Item1));
        }).ToList();
        var reports = DuplicateResolver.Join(kinds, resources);

        Assert.Equal([new DuplicateReport(6, 2, 2, 2, 1), new DuplicateReport(6, 2, 2, 3, 2)], reports);
        Assert.Equal([(4, 3)], Decisions("texts"));
        Assert.Equal([(1, 0), (2, 0)], Decisions("vectors"));
        // Of b, which only c leads to a, the similarity is as little as it is.
        Assert.Equal([0f, 1f], DecisionReader.Read(DecisionReader.PathOf(folder.In("by-vectors"), 0)).Select(decision => decision.Similarity));

        // Alone each kind decides as ever, and the clusters are the same in the other order.
        Assert.Equal([new DuplicateReport(6, 2, 2, 2, 2)], DuplicateResolver.Join([kinds[0]], resources));
        Assert.Equal([(2, 1), (4, 3)], Decisions("texts"));
        Assert.Equal([2L, 1L], DuplicateResolver.Join([kinds[1], kinds[0]], resources).Select(report => report.Dropped));

        static string Text(ulong stream, string end) => string.Join(' ', [.. Planted.Words(stream, 60), end]);
        IEnumerable<(int, int)> Decisions(string kind) =>
            DecisionReader.Read(DecisionReader.PathOf(folder.In("by-" + kind), 0)).Select(decision => (decision.Index, decision.Kept.Index));
    }

    [Fact]
    public void Resolve_Cluster_KeepsTheBetterThenTheLongerThenTheFirst()
    {
        var words = Planted.Words(1, 100);
        string Text(int extra) => string.Join(' ', [.. words, .. Enumerable.Repeat("x", extra)]);
        Assert.Equal(["0/0/0 < 0:1/0/0", "0/1/0 < 0:1/0/0"], Keys([[(Text(0), 0.4), (Text(3), 0.5)], [(Text(0), 0.6)]]));
        Assert.Equal(["0/0/0 < 0:0/1/0", "1/0/0 < 0:0/1/0"], Keys([[(Text(0), 0.5), (Text(3), 0.5)], [(Text(1), 0.5)]]));
        Assert.Equal(["0/1/0 < 0:0/0/0", "1/0/0 < 0:0/0/0"], Keys([[(Text(0), 0.5), (Text(0), 0.5)], [(Text(0), 0.5)]]));
    }

    [Fact]
    public void Resolve_EarlierSignatures_LosesOnlyWhatIsNew()
    {
        var words = Planted.Words(1, 100);
        var old = string.Join(' ', words);
        var better = string.Join(' ', [.. words, "and", "more"]);
        var other = string.Join(' ', Planted.Words(2, 100));
        Assert.Equal(["0/1/0 < 1:0/1/0"], Keys([[(other, 1), (better, 1)]], earlier: [[("nothing of the kind here at all", 0), (old, 0)]]));

        // Control: without the earlier corpus nothing is lost.
        Assert.Empty(Keys([[(other, 1), (better, 1)]]));
    }

    [Fact]
    public void Resolve_MinimumSimilarity_RefusesWeakCandidates()
    {
        // Bands of one row join nearly anything of similarity 0.3.
        var options = new MinHashOptions { Bands = 128, Rows = 1 };
        var (a, b) = Planted.Pair(5, 130, 60);
        var near = a + " end";
        var joined = Planted.Near([[(a, 0), (b, 0), (near, 0)]], options).Decisions;
        Assert.Equal(2, joined.Count);
        var (strict, report) = Planted.Near([[(a, 0), (b, 0), (near, 0)]], options, minimum: 0.9);
        Assert.Equal("0/0/0 < 0:0/2/0", Assert.Single(strict)[..15]);
        Assert.Equal(1, report.Pairs);
    }

    [Fact]
    public void Resolve_TextsThatAreTooShort_CompareWhole()
    {
        Assert.Equal(["0/2/0 < 0:0/0/0"], Keys([[("Two words!", 0), ("two", 0), ("two words", 0)]]));
        Assert.Empty(Keys([[("...", 0), ("...", 0), ("", 0)]]));
    }

    [Fact]
    public void Resolve_Characters_FindsTextWithoutSpaces()
    {
        var text = string.Concat(Enumerable.Range(0, 400).Select(i => (char)('\u4E00' + i * 37 % 3000)));
        var options = new MinHashOptions { Shingles = ShingleKind.Characters };
        var variant = text[..200] + "\u3002" + text[201..];
        Assert.Equal(["0/1/0 < 0:0/0/0"], Keys([[(text, 0), (variant, 0)]], options));

        // As words it is one run without end.
        Assert.Empty(Keys([[(text, 0), (variant.Replace('\u3002', '\u9999'), 0)]]));
    }

    [Fact]
    public void Compute_MoreBands_LeavesTheFirstFunctionsAsTheyWere()
    {
        var text = string.Join(' ', Planted.Words(3, 50));
        byte[] Signature(int bands)
        {
            var options = new MinHashOptions { Bands = bands };
            var signature = new ulong[options.Permutations];
            new MinHasher(options).Compute(new Shingles(ShingleKind.Words, 5).Of(text), signature, new ulong[bands]);
            return System.Runtime.InteropServices.MemoryMarshal.AsBytes(signature.AsSpan()).ToArray();
        }

        Assert.Equal(Signature(3), Signature(20)[..(3 * 64)]);
    }

    [Fact]
    public void Compute_Vectors_EqualsTheDefinition()
    {
        var options = new MinHashOptions { Bands = 5, Rows = 5 };
        var shingles = Enumerable.Range(0, 37).Select(i => new CounterRandom(1, RandomPurpose.Synthetic, 9).UInt64((ulong)i)).ToArray();
        var signature = new ulong[25];
        new MinHasher(options).Compute(shingles, signature, new ulong[5]);
        for (var i = 0; i < 25; i++)
        {
            var random = new CounterRandom(options.Seed, RandomPurpose.Deduplication, (ulong)i);
            var (a, c, b) = (random.UInt64(0), random.UInt64(1), random.UInt64(2));
            Assert.Equal(shingles.Min(x => unchecked((a + (uint)x) * (c + (x >> 32)) + b)), signature[i]);
        }
    }

    [Fact]
    public void Resolve_MixedOrDamagedSignatures_NamesTheFile()
    {
        using var folder = new TempFolder();
        foreach (var (partition, rows) in new[] { (0, 8), (1, 8), (2, 4) })
        {
            using var writer = new SignatureWriter(folder.In($"{partition}"), partition, new MinHashOptions { Rows = rows });
            writer.Add("some words that nobody else has");
            writer.Complete();
        }

        folder.Write("short", File.ReadAllBytes(folder.In("1"))[..^8]);
        Assert.Contains("rows 4", Error("0", "2").What, StringComparison.Ordinal);
        Assert.Contains(folder.In("short"), Error("0", "short").What, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.In("out")));

        UserErrorException Error(params string[] names) => Assert.Throws<UserErrorException>(() => DuplicateResolver.Resolve(
            [.. names.Select(folder.In)], [], folder.In("out"), null, new ResolverResources { Workers = 2 }));
    }

    [Theory]
    [InlineData(0, 8, 5, "bands is 0")]
    [InlineData(14, 65, 5, "rows is 65")]
    [InlineData(14, 8, 0, "shingle_length is 0")]
    public void Validate_OutOfRange_NamesIt(int bands, int rows, int length, string what) =>
        Assert.Contains(what, Assert.Throws<UserErrorException>(() => new MinHashOptions { Bands = bands, Rows = rows, ShingleLength = length }.Validate()).What, StringComparison.Ordinal);

    [Fact]
    public void Resolve_PlantedVectors_JoinsThoseWithinTheCosine()
    {
        const int dimensions = 48;
        using var folder = new TempFolder();
        var paths = new List<string>();
        for (var partition = 0; partition < 2; partition++)
        {
            paths.Add(folder.In($"v{partition}"));
            using var writer = new VectorSignatureWriter(paths[^1], partition, new HyperplaneOptions { Dimensions = dimensions });
            for (var i = 0; i < 200; i++)
                writer.Add(Vector(i, partition == 0 ? 1 : i < 100 ? 0.97 : 0.9), length: 10);
            writer.Add(new float[dimensions], length: 10);
            writer.Add([], length: 10);
            Assert.Throws<UserErrorException>(() => writer.Add(new float[3], 1));
            writer.Complete();
        }

        var report = DuplicateResolver.Resolve(paths, [], folder.In("out"), 0.95, new ResolverResources { MemoryBytes = 1 << 20 });
        var decisions = DecisionReader.Read(DecisionReader.PathOf(folder.In("out"), 1)).ToList();
        Assert.Equal(400, report.Documents);
        Assert.Empty(DecisionReader.Read(DecisionReader.PathOf(folder.In("out"), 0)));
        Assert.All(decisions, d => Assert.Equal((d.Index, new DocumentKey(0, 0, d.Index)), (d.Index, d.Kept)));
        Assert.All(decisions, d => Assert.InRange(d.Similarity, 0.9699, 0.9701));
        Assert.InRange(decisions.Count, 99, 100);

        Assert.Contains("minimum_similarity", Assert.Throws<UserErrorException>(() => DuplicateResolver.Resolve(paths, [], folder.In("out"), null, new ResolverResources())).What, StringComparison.Ordinal);

        // A unit vector at the given cosine to the i-th random one.
        static float[] Vector(int i, double cosine)
        {
            var a = Unit(2 * i);
            var b = Unit(2 * i + 1);
            var along = a.Zip(b, (x, y) => (double)x * y).Sum();
            var across = b.Select((y, k) => y - along * a[k]).ToArray();
            var norm = Math.Sqrt(across.Sum(x => x * x));
            return [.. a.Select((x, k) => (float)(3 * (cosine * x + Math.Sqrt(1 - cosine * cosine) * across[k] / norm)))];
        }

        static float[] Unit(int stream)
        {
            var v = new float[dimensions];
            new CounterRandom(5, RandomPurpose.Synthetic, (ulong)stream).Normal(v, 1);
            var norm = Math.Sqrt(v.Sum(x => (double)x * x));
            return [.. v.Select(x => (float)(x / norm))];
        }
    }

    private static IEnumerable<string> Keys(
        IReadOnlyList<IReadOnlyList<(string Text, double Quality)>> partitions, MinHashOptions? options = null,
        IReadOnlyList<IReadOnlyList<(string Text, double Quality)>>? earlier = null) =>
        Planted.Near(partitions, options, earlier: earlier).Decisions.Select(d => d[..d.LastIndexOf(' ')]);
}
