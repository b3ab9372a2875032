using Cluster.Cli.Rendering;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Cli.Tests.Rendering;

public class TextTests
{
    [Theory]
    [InlineData("plain é 🙂\nnext", "plain é 🙂\nnext")]
    [InlineData("\e[2J\a\0", "\uFFFD[2J\uFFFD\uFFFD")]
    [InlineData("a\tb\r\nc\rd", "a    b\nc\nd")]
    [InlineData("\u202Egnp.exe\u2066", "\uFFFDgnp.exe\uFFFD")]
    [InlineData("\u009B31m", "\uFFFD31m")]
    public void Clean_HostileText_CannotAct(string text, string clean) => Assert.Equal(clean, PlainText.Clean(text));

    [Fact]
    public void Clean_LoneSurrogates_AreReplaced() => Assert.Equal("a\uFFFDb\uFFFD", PlainText.Clean("a" + (char)0xD800 + "b" + (char)0xDC00));

    [Fact]
    public void Short_LongText_EndsInAnEllipsis()
    {
        Assert.Equal("a b c", PlainText.Short(" a\n\nb  c ", 5));
        Assert.Equal("abcd…", PlainText.Short("abcdef", 5));
        Assert.Equal("abc…", PlainText.Short("abc🙂ef", 5));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1_234, "1.2 kB")]
    [InlineData(75_400_000, "75 MB")]
    [InlineData(999_900_000, "1 GB")]
    [InlineData(1_234_000_000_000_000, "1234 TB")]
    public void Bytes_Scaled_AsPeopleSay(long bytes, string text) => Assert.Equal(text, Figures.Bytes(bytes));

    [Theory]
    [InlineData(9_999, "9,999")]
    [InlineData(3_147_456, "3.1 M")]
    [InlineData(116_000_000, "116 M")]
    public void Count_Scaled_AsPeopleSay(long count, string text) => Assert.Equal(text, Figures.Count(count));

    [Theory]
    [InlineData(0.84, "0.8 s")]
    [InlineData(59.4, "59 s")]
    [InlineData(59.6, "1 min 00 s")]
    [InlineData(200, "3 min 20 s")]
    [InlineData(7_500, "2 h 05 min")]
    [InlineData(double.NaN, "?")]
    public void Duration_Seconds_AsPeopleSay(double seconds, string text) => Assert.Equal(text, Figures.Duration(seconds));

    [Theory]
    [InlineData(42, "about 40 seconds")]
    [InlineData(372, "about 6 minutes")]
    [InlineData(9_000, "about 2.5 hours")]
    public void About_Seconds_IsNoMoreExactThanItDeserves(double seconds, string text) => Assert.Equal(text, Figures.About(seconds));

    [Fact]
    public void Seconds_TokensKnown_CountsTokens()
    {
        var point = new MetricPoint { Stage = StageNames.Pretraining, Step = 50, Seconds = 100, Tokens = 1_000, TokensPerSecond = 10 };
        Assert.Equal(200, TimeLeft.Seconds(point, totalSteps: 100, totalTokens: 3_000));
        Assert.Equal(100, TimeLeft.Seconds(point, totalSteps: 100, totalTokens: null));
        Assert.Null(TimeLeft.Seconds(point with { Step = 0 }, totalSteps: 100, totalTokens: null));
    }

    [Fact]
    public void PretrainingTokens_OfTheWholeSchedule_OrNone()
    {
        var recipe = NamedRecipes.Get("shakespeare-char");
        Assert.Equal(2_000 * 12 * 64, TimeLeft.PretrainingTokens(recipe, 2_000));
        Assert.Null(TimeLeft.PretrainingTokens(recipe, 500));
    }
}
