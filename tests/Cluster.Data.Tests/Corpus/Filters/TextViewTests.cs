using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus.Filters;

public class TextViewTests
{
    [Theory]
    [InlineData("Hello, world.", "Hello|,|world|.")]
    [InlineData("don't and/or System.String 3,14 12:30 foo_bar a-b", "don't|and/or|System.String|3,14|12:30|foo_bar|a-b")]
    [InlineData("wait... and --- so", "wait|...|and|---|so")]
    [InlineData("(x) \"y\" #z", "(|x|)|\"|y|\"|#|z")]
    [InlineData("日本 ok", "日|本|ok")]
    [InlineData("हिन्दी में", "हिन्दी|में")]
    [InlineData("a\U0001F600b \U00010400\U00010401", "a|\U0001F600|b|\U00010400\U00010401")]
    [InlineData(" \t\n", "")]
    public void Words_OfText_AreItsWordsAndSymbols(string text, string expected)
    {
        var words = new List<string>();
        foreach (var word in TextView.Of(text).Words)
            words.Add(text.Substring(word.Start, word.Length));

        Assert.Equal(expected, string.Join('|', words));
    }

    [Fact]
    public void Words_LoneSurrogates_AreSymbols() => Assert.Equal([1, 1, 1, 1], TextView.Of("x\uD800y\uDC00").Words.ToArray().Select(word => word.Length));

    [Fact]
    public void Lines_OfText_KnowTheirPlacesAndParagraphs()
    {
        const string text = "  one two \n\nthree\nfour\n \t\nfive\n";
        var view = TextView.Of(text);

        Assert.Equal(6, view.Lines.Length);
        Assert.Equal(4, view.VisibleLines);
        Assert.Equal("one two", text[view.Lines[0].From..view.Lines[0].To]);
        Assert.Equal(["  one two ", "three\nfour", "five"], view.Paragraphs.ToArray().Select(p => text.Substring(p.Start, p.Length)));
        Assert.Equal([2, 2, 1], view.Paragraphs.ToArray().Select(p => p.Words));
    }

    [Fact]
    public void Folded_OfWordsInOtherCase_IsEqual()
    {
        var words = TextView.Of("Straße STRASSE straße ÉTÉ été").Words;

        Assert.Equal(words[0].Folded, words[2].Folded);
        Assert.NotEqual(words[0].Hash, words[2].Hash);
        Assert.Equal(words[3].Folded, words[4].Folded);
        Assert.NotEqual(words[0].Folded, words[1].Folded);
    }

    [Fact]
    public void Of_OtherTextBetween_IsTheSameView()
    {
        var text = Planted.Words(300);
        var first = TextView.Of(text).Words.ToArray();
        TextView.Of("something else\nentirely");

        Assert.Equal(first, TextView.Of(text).Words.ToArray());
    }
}
