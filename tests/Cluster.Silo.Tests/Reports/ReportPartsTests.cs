using System.Text.RegularExpressions;
using Cluster.Core.Runs;
using Cluster.Silo.Reports;
using CsCheck;
using ScottPlot;
using SkiaSharp;

namespace Cluster.Silo.Tests.Reports;

public class ReportPartsTests
{
    [Theory]
    [InlineData("plain words, (all) of them.", "plain words, (all) of them.")]
    [InlineData("List<T> & co", "List&lt;T&gt; &amp; co")]
    [InlineData("a|b\\|c", "a&#124;b\\\\&#124;c")]
    [InlineData("  two\r\nlines ", "two<br>lines")]
    [InlineData("1. first", "1\\. first")]
    [InlineData("- item - item", "\\- item - item")]
    [InlineData("https://www.example.com x@y.z", "https&#58;//www&#46;example.com x&#64;y.z")]
    [InlineData("\u202Eabc\u0001", "\uFFFDabc\uFFFD")]
    [InlineData("👩\u200D🚀", "👩\u200D🚀")]
    public void Text_OfAnyOrigin_IsWrittenOut(string text, string markdown) => Assert.Equal(markdown, Markdown.Text(text));

    [Fact]
    public void Text_Anything_HasNoLineEndPipeOrTag() => Gen.String.Sample(text =>
    {
        var markdown = Markdown.Text(text).Replace("<br>", "", StringComparison.Ordinal);
        Assert.False(markdown.AsSpan().IndexOfAny("|<>\n\r") >= 0, markdown);
        Assert.DoesNotMatch(new Regex(@"(?<![\\&])(\\\\)*[`*_\[\]~$!#]"), markdown);
    });

    [Fact]
    public void Table_RowOfOtherLength_Throws() =>
        Assert.Throws<ArgumentException>(() => new Markdown().Table("ll", ["a", "b"], [["1"]]));

    [Fact]
    public void Table_BarePipe_Throws() => Assert.Throws<ArgumentException>(() => new Markdown().Table("l", ["a"], [["x|y"]]));

    [Fact]
    public void CodeBlock_FenceInside_GetsALongerFence() =>
        Assert.Equal("````\na ``` b\n````\n", new Markdown().CodeBlock("a ``` b").ToString());

    [Theory]
    [InlineData(0, "0.0 s")]
    [InlineData(59.94, "59.9 s")]
    [InlineData(59.96, "1 min 00 s")]
    [InlineData(3_599.6, "1 h 00 min")]
    [InlineData(7_620, "2 h 07 min")]
    [InlineData(double.NaN, "–")]
    public void Duration_OfSeconds_ReadsLikeAClock(double seconds, string text) => Assert.Equal(text, Figures.Duration(seconds));

    [Theory]
    [InlineData(999, "999")]
    [InlineData(1_000, "1 thousand")]
    [InlineData(999_499, "999 thousand")]
    [InlineData(999_500, "1 million")]
    [InlineData(3_145_728, "3.15 million")]
    [InlineData(124_000_000, "124 million")]
    [InlineData(1_500_000_000, "1.5 billion")]
    public void Rough_OfCount_HasThreeDigits(long value, string text) => Assert.Equal(text, Figures.Rough(value));

    [Fact]
    public void Curve_StepWrittenTwice_TheLaterCounts()
    {
        MetricPoint[] points = [Point(1, 5), Point(2, 4), Point(3, 3), Point(2, 8), Point(4, double.NaN), Point(3, 7)];
        var curve = Curve.Of(points, "a", point => point.Loss);
        Assert.Equal([1, 2, 3], curve.Steps);
        Assert.Equal([5, 8, 7], curve.Values);
        Assert.Equal(0, Curve.Of(points, "b", point => point.Loss).Count);
    }

    [Fact]
    public void Thinned_LongCurve_KeepsSpikesAndOrder()
    {
        var values = Enumerable.Range(0, 123_457).Select(i => i == 77_777 ? 100.0 : Math.Sin(i)).ToArray();
        var thinned = new Curve([.. Enumerable.Range(0, values.Length).Select(i => (double)i)], values).Thinned();
        Assert.InRange(thinned.Count, 1_000, Curve.MostPoints);
        Assert.Contains(77_777, thinned.Steps);
        Assert.Equal(thinned.Steps.Order(), thinned.Steps);
        Assert.All(thinned.Steps.Zip(thinned.Values), point => Assert.Equal(values[(int)point.First], point.Second));
    }

    [Fact]
    public void Smoothed_StraightLine_StaysAsItIs()
    {
        double[] line = [.. Enumerable.Range(0, 1_000).Select(i => 3.0 * i)];
        var smoothed = new Curve(line, line).Smoothed();
        Assert.All(smoothed.Values.Zip(line), pair => Assert.Equal(pair.Second, pair.First, 6));
    }

    [Fact]
    public void Font_OfPlots_IsTheAssemblysAndHasTheirCharacters()
    {
        var font = Fonts.GetTypeface(ReportFont.Registered, bold: false, italic: false);
        // The machine's own DejaVu, where there is one, has thousands.
        Assert.InRange(font.GlyphCount, 200, 1_000);
        Assert.True(font.ContainsGlyphs("0123456789.,-−+ abcxyzABCXYZ ()_/%²×…"));
        Assert.False(font.ContainsGlyphs("中"));
    }

    [Fact]
    public void Png_OfAPlot_HasText()
    {
        // The vertical axis's title stands in the leftmost columns; nothing else is dark there.
        using var bitmap = SKBitmap.Decode(RunPlots.Draw(Runs.Recipe, Runs.Metrics())[0].Png);
        var dark = 0;
        for (var x = 0; x < 30; x++)
        {
            for (var y = 0; y < bitmap.Height; y++)
                dark += bitmap.GetPixel(x, y).Red < 128 ? 1 : 0;
        }

        Assert.InRange(dark, 100, 5_000);
    }

    private static MetricPoint Point(long step, double loss) => new() { Stage = "a", Step = step, Seconds = step, Tokens = step, Loss = loss };
}
