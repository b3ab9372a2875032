using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Deduplication;

public sealed class ExactResolverTests
{
    [Fact]
    public void Resolve_EqualDocuments_TheBetterThenTheEarlierStays()
    {
        var (decisions, report) = Resolve(ExactLevel.Document,
        [
            [("a b", 0.1), ("c", 0.5), ("  a b\n", 0.3)],
            [("c", 0.5), ("a b", 0.3), ("", 0), (" \n", 0)],
        ]);

        // "  a b\n" is as good as partition 1's and longer; the two "c" tie, and partition 0 comes first.
        Assert.Equal(["0/0/0 < 0:0/2/0 1", "1/0/0 < 0:0/1/0 1", "1/1/0 < 0:0/2/0 1"], decisions);
        Assert.Equal(new ExactReport(5, 3, 2), report);
    }

    [Fact]
    public void Resolve_EarlierCorpus_KeepsWhateverTheQuality()
    {
        var (decisions, _) = Resolve(ExactLevel.Document, [[("new", 1), ("old", 1)]], earlier: [[("old", 0)], [("x", 0), ("old", 0.5)]]);
        Assert.Equal(["0/1/0 < 1:1/1/0 1"], decisions);
    }

    [Fact]
    public void Resolve_Paragraphs_AreFoundWithinAndAcrossDocuments()
    {
        const string boilerplate = "All rights reserved by\nthe people who wrote this.";
        var first = $"One text of its own kind, long enough.\n\n{boilerplate}\n\n\nMore.";
        var second = $"\n\nAnother text of its own, long enough.\n \n{boilerplate}\n\n{boilerplate}\n";
        var (decisions, _) = Resolve(ExactLevel.Paragraph, [[(first, 0)], [(second, 0)]]);

        // The longer document keeps it, and within it the first.
        Assert.Equal(["0/0/1 < 0:1/0/1 1", "1/0/2 < 0:1/0/1 1"], decisions);
        Assert.Equal("One text of its own kind, long enough.\n\nMore.", Without(first, ExactLevel.Paragraph, 1));
        Assert.Equal($"\n\nAnother text of its own, long enough.\n \n{boilerplate}", Without(second, ExactLevel.Paragraph, 2));
    }

    [Fact]
    public void Resolve_Lines_ShortOnesStay()
    {
        const string line = "This line is of forty characters and so.";
        var text = $"{{\n  {line}\n}}\n{line}  \n}}";
        var (decisions, _) = Resolve(ExactLevel.Line, [[(text, 0)]]);
        Assert.Equal(["0/0/3 < 0:0/0/1 1"], decisions);
        Assert.Equal($"{{\n  {line}\n}}\n}}", Without(text, ExactLevel.Line, 3));
    }

    [Fact]
    public void Of_AnyText_ExtentsAreTheText()
    {
        for (ulong stream = 0; stream < 500; stream++)
        {
            var random = new CounterRandom(4, RandomPurpose.Synthetic, stream);
            var text = new string([.. Enumerable.Range(0, 60).Select(i => "ab \n\n\n"[(int)random.Below((ulong)i, 6)])]);
            foreach (var level in Enum.GetValues<ExactLevel>())
            {
                var units = TextUnits.Of(text, level).Select(range => text[range]).ToList();
                if (units.Count > 0)
                    Assert.Equal(text, string.Concat(units));
                if (level == ExactLevel.Paragraph)
                    Assert.Equal(text.Split('\n').Select(l => l.Trim()).Aggregate((0, false), (s, l) => (s.Item1 + (l != "" && !s.Item2 ? 1 : 0), l != "")).Item1, units.Count);
            }
        }
    }

    [Fact]
    public void Resolve_AnyBudgetOrderAndWorkers_DecidesAlike()
    {
        // Half a million short lines: 20 MB of records against a budget of 1 MiB.
        var random = new CounterRandom(6, RandomPurpose.Synthetic, 0);
        var partitions = Enumerable.Range(0, 5).Select(p => Enumerable.Range(0, 60).Select(d => (
            string.Join('\n', Enumerable.Range(0, 1000).Select(i => $"a line with number {random.Below((ulong)((p * 60 + d) * 1000 + i), 150_000)}, and more")),
            random.Double((ulong)(p * 60 + d)))).ToArray()).ToArray();
        var (expected, report) = Resolve(ExactLevel.Line, partitions);

        // 300,000 draws of 150,000 values, of which 1 - e^-2 occur.
        Assert.InRange(report.Units - report.Dropped, 0.855 * 150_000, 0.875 * 150_000);
        foreach (var (memory, workers, reversed) in new[] { (1L << 20, 1, false), (1L << 20, 3, true), (1L << 28, 8, true) })
        {
            var (decisions, other) = Resolve(ExactLevel.Line, partitions, memory: memory, workers: workers, reversed: reversed);
            Assert.Equal(report, other);
            Assert.Equal(expected, decisions);
        }
    }

    [Fact]
    public void Resolve_MixedOrDamagedFiles_NamesTheFile()
    {
        using var folder = new TempFolder();
        Write(folder.In("lines"), 0, ExactLevel.Line, [("a", 0)]);
        Write(folder.In("documents"), 1, ExactLevel.Document, [("a", 0)]);
        Write(folder.In("again"), 0, ExactLevel.Line, [("a", 0)]);
        folder.Write("short", File.ReadAllBytes(folder.In("documents"))[..^1]).Write("other", "not of ours");

        Assert.Contains("exact document", Error("lines", "documents").What, StringComparison.Ordinal);
        Assert.Contains("partition 0", Error("lines", "again").What, StringComparison.Ordinal);
        foreach (var name in new[] { "short", "other", "missing" })
            Assert.Contains(folder.In(name), Error(name).What, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => new ExactHashWriter(folder.In("x"), 0, new ExactOptions { MinimumCharacters = 0 }));
        Assert.Throws<UserErrorException>(() => new ResolverResources { MemoryBytes = 1 }.Validate());

        UserErrorException Error(params string[] names) => Assert.Throws<UserErrorException>(() => ExactResolver.Resolve(
            [.. names.Select(folder.In)], [], folder.In("out"), new ResolverResources { Workers = 2 }));
    }

    [Fact]
    public void Dispose_WithoutComplete_LeavesTheOldFile()
    {
        using var folder = new TempFolder();
        folder.Write("hashes", "old");
        using (var writer = new ExactHashWriter(folder.In("hashes"), 0, new ExactOptions()))
            writer.Add("text");
        Assert.Equal("old", File.ReadAllText(folder.In("hashes")));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Of_IndicesInOrder_GivesEachDocumentsDecisions()
    {
        using var folder = new TempFolder();
        Write(folder.In("f"), 0, ExactLevel.Document, [("a", 0), ("a", 0), ("b", 0), ("a", 0)]);
        ExactResolver.Resolve([folder.In("f")], [], folder.In("out"), new ResolverResources());
        using var reader = new DecisionReader(DecisionReader.PathOf(folder.In("out"), 0));
        Assert.Empty(reader.Of(0));
        Assert.Equal(new DuplicateDecision(1, 0, new DocumentKey(0, 0, 0), 0, 1), Assert.Single(reader.Of(1)));
        Assert.Single(reader.Of(3));
        Assert.Empty(reader.Of(4));
    }

    private static string Without(string text, ExactLevel level, params int[] units) =>
        TextUnits.Without(text, level, [.. units.Select(unit => new DuplicateDecision(0, unit, default, 0, 1))]);

    private static void Write(string path, int partition, ExactLevel level, IEnumerable<(string Text, double Quality)> documents)
    {
        using var writer = new ExactHashWriter(path, partition, new ExactOptions { Level = level });
        foreach (var (text, quality) in documents)
            writer.Add(text, quality);
        writer.Complete();
    }

    private static (List<string> Decisions, ExactReport Report) Resolve(
        ExactLevel level, (string Text, double Quality)[][] partitions, (string Text, double Quality)[][]? earlier = null,
        long memory = 1 << 28, int workers = 2, bool reversed = false)
    {
        using var folder = new TempFolder();
        var files = Files("now", partitions);
        if (reversed)
            files.Reverse();
        Directory.CreateDirectory(folder.In("scratch"));
        var report = ExactResolver.Resolve(files, earlier is null ? [] : [Files("before", earlier)], folder.In("decisions"),
            new ResolverResources { MemoryBytes = memory, Workers = workers, ScratchFolder = folder.In("scratch") });
        Assert.Empty(Directory.GetFileSystemEntries(folder.In("scratch")));
        return (Planted.Decisions(folder.In("decisions"), partitions.Length), report);

        List<string> Files(string name, (string Text, double Quality)[][] all) =>
        [
            .. all.Select((documents, partition) =>
            {
                var path = folder.In($"{name}-{partition}");
                Write(path, partition, level, documents);
                return path;
            }),
        ];
    }
}
