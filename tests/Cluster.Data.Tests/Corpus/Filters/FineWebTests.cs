using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Filters;

public class FineWebTests
{
    private static readonly FineWebOptions Off = new()
    {
        MinimumPunctuatedLines = null,
        MaximumShortLines = null,
        MaximumDuplicateLineCharacters = null,
        MaximumLineFeedsPerWord = null,
    };

    [Theory]
    [InlineData(4, null)]
    [InlineData(3, null)]
    [InlineData(2, "punctuated_lines")]
    public void Apply_PunctuatedLinesAroundTheLimit_DropsBelowIt(int punctuated, string? rule) =>
        new FineWeb(Off with { MinimumPunctuatedLines = 0.12 }).Expect(
            string.Join("\n\n", Enumerable.Range(0, 25).Select(i => Planted.Words(3, i * 3) + (i < punctuated ? i == 0 ? "。" : "! " : ","))), rule);

    [Theory]
    [InlineData(66, null)]
    [InlineData(67, null)]
    [InlineData(68, "short_lines")]
    public void Apply_ShortLinesAroundTheLimit_DropsAboveIt(int count, string? rule) =>
        new FineWeb(Off with { MaximumShortLines = 0.67 }).Expect(
            string.Join('\n', Enumerable.Range(0, 100).Select(i => Planted.Word(i) + new string('x', (i < count ? 30 : 31) - 6))), rule);

    [Theory]
    [InlineData(1001, null)]
    [InlineData(1000, null)]
    [InlineData(999, "duplicate_line_characters")]
    public void Apply_RepeatedCharactersAroundTheLimit_DropsAboveIt(int characters, string? rule) =>
        new FineWeb(Off with { MaximumDuplicateLineCharacters = 0.01 }).Expect($"ten chars!\n{new string('x', characters - 20)}\nten chars!", rule);

    [Theory]
    [InlineData(11, null)]
    [InlineData(10, null)]
    [InlineData(9, "line_feeds")]
    public void Apply_LineFeedsAroundTheLimit_DropsAboveIt(int words, string? rule) =>
        new FineWeb(Off with { MaximumLineFeedsPerWord = 0.3 }).Expect("a\nb\nc\n" + Planted.Words(words - 3), rule);

    [Fact]
    public void Apply_NothingVisible_IsDropped() => new FineWeb().Expect(" \n ", "empty");

    [Fact]
    public void Apply_Prose_IsKept() => new FineWeb().Expect("This is a line of prose that goes on for a while, as prose does.\nAnd this is the next one, which ends like the first one.", null);
}
