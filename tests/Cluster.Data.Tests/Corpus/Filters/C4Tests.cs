using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Filters;

public class C4Tests
{
    private const string Five = "One line is here.\nA second line follows.\nThe third line too!\nIs there a fourth?\nThe fifth \"has a quote.\"";

    [Theory]
    [InlineData(Five, null)]
    [InlineData(Five + "\nAnd one more line.", null)]
    [InlineData("One line is here.\nA second line follows.\nThe third line too!\nIs there a fourth?", "few_sentences")]
    [InlineData("Five are in it. All of one line. That is enough. Two to go now. And the last!", null)]
    [InlineData("Mr. J. Smith lives in St. Ives, e.g. by the sea. He is one. That is two. Is it three? It is four!", null)]
    [InlineData("Mr. J. Smith lives in St. Ives, e.g. by the sea. He is one. That is two. Is it three?", "few_sentences")]
    public void Apply_SentencesAroundTheLimit_DropsBelowIt(string text, string? rule) => new C4().Expect(text, rule);

    [Theory]
    [InlineData("A heading without an end")]
    [InlineData("It goes on and on...")]
    [InlineData("Two words.")]
    [InlineData("Please enable JavaScript to read this.")]
    [InlineData("We may use cookies on this page.")]
    [InlineData("Read our Privacy Policy with care.")]
    [InlineData("")]
    [InlineData("  ")]
    public void Apply_PoorLine_IsRemoved(string line)
    {
        var outcome = new C4().Apply(line + "\n" + Five + "\n" + line);

        Assert.Null(outcome.Drop);
        Assert.Equal(Five, outcome.Document.Text);
    }

    [Theory]
    [InlineData("It has three words.")]
    [InlineData("Quite three words.")]
    [InlineData("A quote's end 'is one.'")]
    public void Apply_LineJustGoodEnough_Stays(string line) => new C4().Expect(line + "\n" + Five, null);

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1001, false)]
    public void Apply_LongWord_TakesItsLineAboveTheLimit(int length, bool stays)
    {
        // The full stop is part of the word.
        var line = "A word of " + new string('x', length - 1) + ".";

        Assert.Equal(stays, new C4().Apply(line + "\n" + Five).Document.Text.Contains("xxx"));
    }

    [Theory]
    [InlineData("int main() { return a value.", "curly_brace")]
    [InlineData("some code { without end", null)]
    [InlineData("Here is Lorem Ipsum for you.", "lorem_ipsum")]
    public void Apply_BraceOrFiller_DropsWhereItsLineWouldStay(string line, string? rule) =>
        Assert.Equal(rule, new C4().Apply(Five + "\n" + line).Drop?.Rule);

    [Fact]
    public void Apply_Citations_AreTakenOut() =>
        Assert.Equal(Five + "\nIt is known and proven.", new C4().Apply(Five + "\nIt is known[12] and[edit] proven[citation needed].").Document.Text);

    [Fact]
    public void Apply_Twice_ChangesNothingMore()
    {
        var once = new C4().Apply("Heading\n\n  " + Five + "  \n\n").Document;

        Assert.Same(once, new C4().Apply(once).Document);
    }

    [Fact]
    public void Apply_NothingLeftWithoutLimit_IsDropped() => new C4(new C4Options { MinimumSentences = null }).Expect("no\nline\nstays", "no_line_left");
}
