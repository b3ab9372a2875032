using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Tests.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Decontamination;

public sealed class DecontaminationTests
{
    private const string Question = "What is the name of the longest river that flows through the city of Vienna today?";

    [Fact]
    public void Apply_BenchmarkQuestionInAnyDress_IsDroppedWithItsCounts()
    {
        var index = Index(new EvaluationSet("rivers", [Question, "Too short a one."]), new EvaluationSet("others", [Words(9, 20)]));
        var tally = new ContaminationTally(index);
        var stage = new DecontaminationStage(index, new DecontaminationOptions());

        // Case, punctuation and white space do not count; sixteen words have four 13-grams.
        var dressed = $"{Words(1, 30)} WHAT is \"the name\" of the longest-river, that\nflows through the city of Vienna -- today? {Words(2, 30)}";
        var outcome = stage.Apply(Fixtures.Document("d", dressed), tally);
        Assert.Equal(new DropReason("evaluation_overlap", 4, 1), outcome.Drop);
        Assert.Equal([new DocumentScore("contamination.rivers", 4)], outcome.Document.Scores);

        // Twelve words of it are not enough, and other text stays as it is.
        var twelve = string.Join(' ', Question.Split(' ')[..12]);
        var clean = Fixtures.Document("c", $"{twelve} {Words(3, 30)}");
        Assert.Same(clean, stage.Apply(clean, tally).Document);

        var report = tally.Report();
        Assert.Equal(("rivers", 2, 1, 1, 1, 4L, 4L, 1L, 4L), Row(report[0]));
        Assert.Equal(1, report[0].Share);
        Assert.Equal([0], report[0].DirtyItems);
        Assert.Equal(("others", 1, 0, 0, 0, 8L, 0L, 0L, 0L), Row(report[1]));
        Assert.Equal(0, report[1].Share);
    }

    [Fact]
    public void Apply_ItemsShorterThanAnNgram_MatchWhole()
    {
        var nine = Words(1, 9);
        var index = Index(new EvaluationSet("short", [nine, Words(2, 7)]));
        Assert.Equal(1, index.Find($"{Words(3, 5)} {nine} {Words(4, 5)}").Total);
        Assert.Equal(0, index.Find($"{Words(3, 5)} {Words(1, 8)} {Words(4, 5)}").Total);

        // Seven words are too few to say anything.
        Assert.Equal(0, index.Find(Words(2, 7)).Total);
    }

    [Fact]
    public void Find_SetsThatShareAnItem_CountForBoth()
    {
        var index = Index(new EvaluationSet("a", [Question]), new EvaluationSet("b", [Question, Question]) { Words = 10 });
        var finding = index.Find(Question);
        Assert.Equal([4, 7], finding.Hits);
        Assert.Equal((0, Question.Length - 1), (finding.Spans[0].Start, finding.Spans[^1].End));
    }

    [Fact]
    public void Apply_RemoveSpans_LeavesWholeWordsBeyondTheMargin()
    {
        var index = Index(new EvaluationSet("rivers", [Question]));
        string before = Words(1, 100), after = Words(2, 100);
        var options = new DecontaminationOptions { Action = DecontaminationAction.RemoveSpans };
        var outcome = new DecontaminationStage(index, options).Apply(Fixtures.Document("d", $"{before} {Question} {after}"));

        Assert.Null(outcome.Drop);
        var pieces = outcome.Document.Text.Split("\n\n");
        Assert.Equal(2, pieces.Length);
        Assert.Equal(before[..pieces[0].Length], pieces[0]);
        Assert.Equal(after[^pieces[1].Length..], pieces[1]);

        // 200 characters are 25 words of 7 letters and a space; the cut falls between words.
        Assert.Equal((75, 75), (pieces[0].Split(' ').Length, pieces[1].Split(' ').Length));
        Assert.Equal(0, index.Find(outcome.Document.Text).Total);

        // A piece of fewer than 200 characters goes too; and a document of nothing else altogether.
        var near = new DecontaminationStage(index, options).Apply(Fixtures.Document("d", $"{Words(3, 45)} {Question} {after}"));
        Assert.Equal(pieces[1], near.Document.Text);
        Assert.Equal("evaluation_pieces", new DecontaminationStage(index, options).Apply(Fixtures.Document("d", Question)).Drop?.Rule);
        var many = string.Join(' ', Enumerable.Range(0, 12).Select(i => $"{Words((ulong)(10 + i), 100)} {Question}"));
        Assert.Equal(new DropReason("evaluation_pieces", 12, 10), new DecontaminationStage(index, options).Apply(Fixtures.Document("d", many)).Drop);
    }

    [Fact]
    public void Apply_RecordOrFewerHitsThanTheMinimum_KeepsTheTextWithItsScore()
    {
        var index = Index(new EvaluationSet("rivers", [Question]));
        foreach (var options in new[] { new DecontaminationOptions { Action = DecontaminationAction.Record }, new DecontaminationOptions { MinimumHits = 5 } })
        {
            var outcome = new DecontaminationStage(index, options).Apply(Fixtures.Document("d", Question));
            Assert.Null(outcome.Drop);
            Assert.Equal(Question, outcome.Document.Text);
            Assert.Equal(4, Assert.Single(outcome.Document.Scores).Value);
        }
    }

    [Fact]
    public void Add_TalliesOfPartitionsInAnyOrder_GiveOneReport()
    {
        using var folder = new TempFolder();
        var items = Enumerable.Range(0, 40).Select(i => Words((ulong)i, 30)).ToArray();
        var index = Index(new EvaluationSet("a", items[..30]), new EvaluationSet("b", items[20..]));
        var texts = Enumerable.Range(0, 60).Select(i => $"{Words((ulong)(100 + i), 20)} {string.Join(' ', items[i * 8 % 35].Split(' ')[(i % 3)..])}").ToArray();
        var whole = new ContaminationTally(index);
        foreach (var text in texts)
            whole.Add(index.Find(text));
        for (var part = 0; part < 3; part++)
        {
            var tally = new ContaminationTally(index);
            foreach (var text in texts.Where((_, i) => i % 3 == part))
                tally.Add(index.Find(text));
            tally.Save(folder.In($"{part}.json"));
        }

        foreach (var order in new[] { new[] { 0, 1, 2 }, [2, 0, 1] })
        {
            var merged = new ContaminationTally(index);
            foreach (var part in order)
                merged.Add(folder.In($"{part}.json"));
            Assert.Equal(whole.Report().Select(Row), merged.Report().Select(Row));
            Assert.Equal(whole.Report().SelectMany(row => row.DirtyItems), merged.Report().SelectMany(row => row.DirtyItems));
        }

        // 35 of 40 items occur somewhere, of which the first 30 are a's.
        Assert.Equal((30, 15), (whole.Report()[0].ItemsWithAny, whole.Report()[1].ItemsWithAny));
        var other = new ContaminationTally(Index(new EvaluationSet("a", items[..30]), new EvaluationSet("b", items[21..])));
        Assert.Contains("other evaluation sets", Assert.Throws<UserErrorException>(() => other.Add(folder.In("0.json"))).What, StringComparison.Ordinal);
        folder.Write("bad.json", "{");
        Assert.Contains("bad.json", Assert.Throws<UserErrorException>(() => whole.Add(folder.In("bad.json"))).What, StringComparison.Ordinal);
    }

    [Fact]
    public void AdaptedWords_FollowsTheFifthPercentileFromEightToThirteen()
    {
        string[] lengths(int shortest) => [.. Enumerable.Range(0, 100).Select(i => Words((ulong)i, i < 5 ? shortest : 40))];
        Assert.Equal(11, EvaluationSet.AdaptedWords(lengths(11)));
        Assert.Equal(8, EvaluationSet.AdaptedWords(lengths(3)));
        Assert.Equal(13, EvaluationSet.AdaptedWords(lengths(30)));
        Assert.Equal(13, EvaluationSet.AdaptedWords([]));
    }

    [Fact]
    public void Constructor_NameTwiceOrValueOutOfRange_IsRefused()
    {
        Assert.Contains("twin", Assert.Throws<UserErrorException>(() => Index(new EvaluationSet("twin", []), new EvaluationSet("twin", []))).What, StringComparison.Ordinal);
        Assert.Contains("words is 0", Assert.Throws<UserErrorException>(() => new DecontaminationOptions { Words = 0 }.Validate()).What, StringComparison.Ordinal);
        Assert.Equal(0, Index().Find(Question).Total);
    }

    private static EvaluationIndex Index(params EvaluationSet[] sets) => new(sets, new DecontaminationOptions());

    private static string Words(ulong stream, int count) => string.Join(' ', Planted.Words(stream, count));

    private static (string, int, int, int, int, long, long, long, long) Row(SetContamination row) =>
        (row.Set, row.Items, row.ItemsTooShort, row.ItemsWithAny, row.ItemsOverHalf, row.Ngrams, row.NgramsFound, row.Documents, row.Hits);
}
