using Cluster.Core.Errors;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

public class CorpusSplitTests
{
    private static readonly CorpusOptions Options = new() { Workers = 1 };

    [Fact]
    public void Split_ManyGroups_KeepsGroupsWholeAndSharesAbout()
    {
        var documents = Enumerable.Range(0, 6000).Select(i => Fixtures.Document($"d{i}", "text", $"g{i / 3}")).ToList();

        var split = CorpusSplit.Split(documents, Options);

        Assert.Equal(CorpusSplit.ByGroup, split.Report.Method);
        Assert.Equal(2000, split.Report.Groups);
        Assert.Equal(6000, split.Train.Count + split.Validation.Count + split.Test.Count);
        Assert.InRange(split.Train.Count, 5300, 5500);
        Assert.InRange(split.Validation.Count, 240, 360);
        string[][] groups = [Groups(split.Train), Groups(split.Validation), Groups(split.Test)];
        Assert.Equal(2000, groups.Sum(part => part.Length));
        Assert.Empty(groups[0].Intersect(groups[1].Concat(groups[2])));

        static string[] Groups(IReadOnlyList<Document> part) => [.. part.Select(document => document.Group).Distinct()];
    }

    [Fact]
    public void Split_OtherDocuments_DoNotMoveAGroup()
    {
        var documents = Enumerable.Range(0, 500).Select(i => Fixtures.Document($"d{i}", "text")).ToList();

        var all = CorpusSplit.Split(documents, Options).Test.Select(document => document.Id).ToList();
        var half = CorpusSplit.Split([.. documents.Where((_, i) => i % 2 == 0)], Options).Test.Select(document => document.Id).ToList();
        var reseeded = CorpusSplit.Split(documents, Options with { Seed = 1 }).Test.Select(document => document.Id).ToList();

        Assert.NotEmpty(half);
        Assert.Equal(all.Where(id => int.Parse(id[1..]) % 2 == 0), half);
        Assert.NotEqual(all, reseeded);
    }

    [Fact]
    public void Split_OneLongText_HoldsOutItsEnd()
    {
        var lines = Enumerable.Range(0, 1000).Select(i => $"This is line {i:0000} of it.").ToList();
        var text = string.Join('\n', lines) + "\n";

        var split = CorpusSplit.Split([Fixtures.Document("book", text)], Options);

        Assert.Equal(CorpusSplit.Tail, split.Report.Method);
        Assert.Contains("last 10 %", split.Report.Explanation, StringComparison.Ordinal);
        Assert.Equal(text, split.Train[0].Text + split.Validation[0].Text + split.Test[0].Text);
        Assert.StartsWith("This is line 09", split.Validation[0].Text, StringComparison.Ordinal);
        Assert.StartsWith("This is line 09", split.Test[0].Text, StringComparison.Ordinal);
        Assert.Equal(["book@train", "book@validation", "book@test"], new[] { split.Train, split.Validation, split.Test }.Select(part => Assert.Single(part).Id));
        Assert.InRange(split.Train[0].Text.Length / (double)text.Length, 0.9, 0.902);
    }

    [Fact]
    public void Split_FewDocuments_CutsOnlyTheOneAtTheBound()
    {
        var documents = Enumerable.Range(0, 10).Select(i => Fixtures.Document($"d{i}", string.Join(' ', Enumerable.Repeat($"word{i}", 100)))).ToList();

        var split = CorpusSplit.Split(documents, Options with { TrainFraction = 0.85, ValidationFraction = 0.15, TestFraction = 0 });

        Assert.Equal(["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8@train"], split.Train.Select(document => document.Id));
        Assert.Equal(["d8@validation", "d9"], split.Validation.Select(document => document.Id));
        Assert.Empty(split.Test);
    }

    [Fact]
    public void Split_HashLeavesAPartEmpty_HoldsOutTheEndInstead()
    {
        var documents = Enumerable.Range(0, 20).Select(i => Fixtures.Document($"d{i}", "Some words to hold out. ")).ToList();

        var split = CorpusSplit.Split(documents, Options with { TrainFraction = 0.98, ValidationFraction = 0.01, TestFraction = 0.01 });

        Assert.Equal(CorpusSplit.Tail, split.Report.Method);
        Assert.NotEmpty(split.Validation);
        Assert.NotEmpty(split.Test);
    }

    [Fact]
    public void Split_TooLittleText_Throws()
    {
        var error = Assert.Throws<UserErrorException>(() => CorpusSplit.Split([Fixtures.Document("a", "tiny")], Options));

        Assert.Contains("has 4 characters, too few to give the validation part any text", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Split_WithoutHeldOut_TrainsOnAll()
    {
        var all = Options with { TrainFraction = 1, ValidationFraction = 0, TestFraction = 0 };

        Assert.Equal("tiny", Assert.Single(CorpusSplit.Split([Fixtures.Document("a", "tiny")], all).Train).Text);
        Assert.Equal(SplitPart.Train, CorpusSplit.PartOf("anything", all));
    }

    [Fact]
    public void Split_SurrogatesAtTheBound_AreNotTornApart()
    {
        var split = CorpusSplit.Split([Fixtures.Document("a", string.Concat(Enumerable.Repeat("\U0001F600", 101)))], Options);

        Assert.All(new[] { split.Train, split.Validation, split.Test }, part => Assert.Equal(0, part[0].Text.Length % 2));
    }
}
