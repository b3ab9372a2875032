using Cluster.Core.Errors;
using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Filters;

public class GopherQualityTests
{
    private static readonly GopherQualityOptions Off = new()
    {
        MinimumWords = null,
        MaximumWords = null,
        MinimumMeanWordLength = null,
        MaximumMeanWordLength = null,
        MaximumSymbolsPerWord = null,
        MaximumBulletLines = null,
        MaximumEllipsisLines = null,
        MinimumWordsWithLetter = null,
        MinimumStopWords = null,
    };

    [Theory]
    [InlineData(49, "few_words")]
    [InlineData(50, null)]
    [InlineData(51, null)]
    public void Apply_WordsAroundTheMinimum_DropsBelowIt(int words, string? rule) =>
        new GopherQuality().Expect("the of, " + Planted.Words(words - 2) + ".", rule);

    [Theory]
    [InlineData(99_999, null)]
    [InlineData(100_000, null)]
    [InlineData(100_001, "many_words")]
    public void Apply_WordsAroundTheMaximum_DropsAboveIt(int words, string? rule) => new GopherQuality().Expect("the of " + Planted.Words(words - 2), rule);

    [Theory]
    [InlineData("abc abc abc abcd", null)]
    [InlineData("abc abc abc abc", null)]
    [InlineData("abc abc abc ab", "short_words")]
    [InlineData("abcdefghij abcdefghij abcdefghi", null)]
    [InlineData("abcdefghij abcdefghij abcdefghij", null)]
    [InlineData("abcdefghij abcdefghij abcdefghijk", "long_words")]
    public void Apply_MeanLengthAroundTheLimits_DropsOutside(string text, string? rule) =>
        new GopherQuality(Off with { MinimumMeanWordLength = 3, MaximumMeanWordLength = 10 }).Expect(text, rule);

    [Theory]
    [InlineData("#", 9, null)]
    [InlineData("#", 10, null)]
    [InlineData("#", 11, "number_signs")]
    [InlineData("…", 10, null)]
    [InlineData("…", 11, "ellipses")]
    [InlineData("...", 10, null)]
    [InlineData("...", 11, "ellipses")]
    public void Apply_SymbolsAroundTheLimit_DropsAboveIt(string symbol, int count, string? rule) =>
        new GopherQuality(Off with { MaximumSymbolsPerWord = 0.1 }).Expect(
            Planted.Words(100 - count) + string.Concat(Enumerable.Repeat(" " + symbol, count)), rule);

    [Theory]
    [InlineData("- ", 8, null)]
    [InlineData("  • ", 9, null)]
    [InlineData("- ", 10, "bullet_lines")]
    public void Apply_BulletsAroundTheLimit_DropsAboveIt(string bullet, int count, string? rule) =>
        new GopherQuality(Off with { MaximumBulletLines = 0.9 }).Expect(
            string.Join('\n', Enumerable.Range(0, 10).Select(i => (i < count ? bullet : "") + Planted.Words(5, i * 5))), rule);

    [Theory]
    [InlineData("...", 2, null)]
    [InlineData("…", 3, null)]
    [InlineData("... ", 4, "ellipsis_lines")]
    public void Apply_EllipsisLinesAroundTheLimit_DropsAboveIt(string end, int count, string? rule) =>
        new GopherQuality(Off with { MaximumEllipsisLines = 0.3 }).Expect(
            string.Join('\n', Enumerable.Range(0, 10).Select(i => Planted.Words(5, i * 5) + (i < count ? end : "."))), rule);

    [Theory]
    [InlineData(81, null)]
    [InlineData(80, null)]
    [InlineData(79, "words_with_letter")]
    public void Apply_WordsWithLetterAroundTheLimit_DropsBelowIt(int letters, string? rule) =>
        new GopherQuality(Off with { MinimumWordsWithLetter = 0.8 }).Expect(
            Planted.Words(letters) + string.Concat(Enumerable.Range(0, 100 - letters).Select(i => $" {i + 1000}")), rule);

    [Theory]
    [InlineData("the of and", null)]
    [InlineData("the of", null)]
    [InlineData("the the the", "stop_words")]
    [InlineData("The Of", "stop_words")]
    public void Apply_StopWordsAroundTheLimit_DropsBelowIt(string words, string? rule) =>
        new GopherQuality(Off with { MinimumStopWords = 2 }).Expect(Planted.Words(60) + " " + words, rule);

    [Fact]
    public void Apply_Dropped_SaysValueAndLimit()
    {
        new GopherQuality().Expect("the of and only these", "few_words", 5, 50);
        new GopherQuality(Off with { MaximumSymbolsPerWord = 0.1 }).Expect("a b # #", "number_signs", 0.5, 0.1);
    }

    [Fact]
    public void Apply_EmptyTextWithoutLeastWords_IsKept() => new GopherQuality(new GopherQualityOptions { MinimumWords = null }).Expect(" \n ", null);

    [Fact]
    public void Validate_LimitOutOfRange_NamesIt() =>
        Assert.Equal("gopher-quality.maximum_bullet_lines is 1.5.", Assert.Throws<UserErrorException>(() => new GopherQuality(new GopherQualityOptions { MaximumBulletLines = 1.5 })).What);
}
