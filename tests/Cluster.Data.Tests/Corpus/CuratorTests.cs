using Cluster.Core.Errors;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

public class CuratorTests
{
    private static readonly CorpusOptions Options = new() { MinimumCharacters = 10, Workers = 2 };

    [Theory]
    [InlineData("s h o r t", Curator.TooShort)]
    [InlineData("half of it is \uFFFD broken", Curator.NotUtf8)]
    [InlineData("ok ////////////////////////////////////", Curator.MostlySymbols)]
    [InlineData("again\nagain\nagain\nagain\nagain\nagain\nagain\nagain\nagain\nagain", Curator.RepeatedLines)]
    public void Curate_PoorDocument_IsDroppedWithItsReason(string text, string reason)
    {
        var (documents, stage) = Curator.Curate([Fixtures.Document("good", "A good document of its own."), Fixtures.Document("bad", text)], Options, new HeuristicQualityScorer());

        Assert.Equal("good", Assert.Single(documents).Id);
        Assert.Equal([new KeyValuePair<string, long>(reason, 1)], stage.Dropped);
    }

    [Fact]
    public void Curate_DuplicatesAfterNormalisation_KeepsTheFirst()
    {
        var (documents, stage) = Curator.Curate(
            [
                Fixtures.Document("a", "The caf\u00E9 is open.\n"), Fixtures.Document("b", "The cafe\u0301 is open.\r\n"),
                Fixtures.Document("c", "The cafe is closed."), Fixtures.Document("d", "  The caf\u00E9 is open."),
            ],
            Options, new HeuristicQualityScorer());

        Assert.Equal(["a", "c"], documents.Select(document => document.Id));
        Assert.Equal(2, stage.Dropped[Curator.Duplicate]);
        Assert.Equal((4, 2), (stage.In, stage.Out));
    }

    [Theory]
    [InlineData("日本語の文章です。これは十分に長い。")]
    [InlineData("हिन्दी में लिखा हुआ एक वाक्य")]
    [InlineData("for (var i = 0; i < n; i++) total += values[i];")]
    public void Curate_OtherScriptsAndCode_AreKept(string text) =>
        Assert.Single(Curator.Curate([Fixtures.Document("a", text)], Options, new HeuristicQualityScorer()).Documents);

    [Fact]
    public void Curate_NothingLeft_SaysWhy()
    {
        var error = Assert.Throws<UserErrorException>(() => Curator.Curate([Fixtures.Document("a", "x"), Fixtures.Document("b", "y")], Options, new HeuristicQualityScorer()));

        Assert.Equal("No document is left of 2: 2 too_short.", error.What);
    }

    [Fact]
    public void Score_OfTexts_OrdersThemAsAReaderWould()
    {
        var scorer = new HeuristicQualityScorer();
        var explained = Score("The list grows when an item is added, because its capacity is doubled. If the capacity is known, it should be given first; otherwise the items are copied several times. For example, a list of a thousand items is copied about ten times.");
        var bare = Score("# Item\n\nItem Item Item Item Item Item Item");
        var symbols = Score("{0x1F, 0x2A, 0x33}; {0x44, 0x55}; [[1, 2], [3, 4]]");

        Assert.True(explained > bare && bare > symbols, $"{explained} {bare} {symbols}");
        Assert.InRange(explained, 0.5, 1);
        Assert.InRange(symbols, 0, 0.5);
        Assert.Equal(0, Score(" \n"));

        double Score(string text) => scorer.Score(Fixtures.Document("a", text));
    }

    [Fact]
    public void Best_TenthOfDocuments_IsByQualityThenId()
    {
        var documents = Enumerable.Range(0, 21).Select(i => Fixtures.Document($"d{20 - i:00}", "t", quality: i is 3 or 7 or 9 or 12 ? 0.9 : 0.1)).ToList();

        // 21 documents have a best decile of three: of four equals the smallest ids, in the corpus's order.
        Assert.Equal(["d13", "d11", "d08"], DecileSelection.Best(documents).Select(document => document.Id));
        Assert.Single(DecileSelection.Best([documents[0]]));
        Assert.Empty(DecileSelection.Best([]));
    }

    [Fact]
    public void Budget_SmallerThanCorpus_KeepsOrderAndLimit()
    {
        var documents = Enumerable.Range(0, 50).Select(i => Fixtures.Document($"d{i:00}", new string('x', 10))).ToList();

        var (kept, stage) = ByteBudget.Apply(documents, 100, seed: 1);
        var (other, _) = ByteBudget.Apply(documents, 100, seed: 2);

        Assert.Equal(10, kept.Count);
        Assert.Equal(kept.OrderBy(document => document.Id, StringComparer.Ordinal), kept);
        Assert.NotEqual(kept, other);
        Assert.Equal(40, stage.Dropped[ByteBudget.OverBudget]);
        Assert.Equal("\u00E9\u00E9", Assert.Single(ByteBudget.Apply([Fixtures.Document("a", "\u00E9\u00E9\u00E9")], 5, 0).Documents).Text);
    }

    [Fact]
    public void Validate_ValuesOutOfRange_NamesFieldValueAndRange()
    {
        Assert.Equal("train_fraction + validation_fraction + test_fraction is 1.1. Give 1.", Message(new CorpusOptions { TrainFraction = 1 }));
        Assert.Equal("validation_fraction is -0.1. Give from 0 to below 1.", Message(new CorpusOptions { ValidationFraction = -0.1 }));
        Assert.Equal("workers is 0. Give at least 1.", Message(new CorpusOptions { Workers = 0 }));
        Assert.Equal("maximum_answer_characters is 5. Give at least minimum_answer_characters.", Message(new CorpusOptions { MaximumAnswerCharacters = 5 }));
        Assert.NotNull(new CorpusOptions().Validate());

        static string Message(CorpusOptions options) => Assert.Throws<UserErrorException>(options.Validate).Message;
    }
}
