using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Extraction;

namespace Cluster.Data.Tests.Corpus.Extraction;

public class MainTextTests
{
    private const string Paragraph = "The lighthouse keeper climbed the stairs every evening to light the lamp, and from the gallery he could see the ships that passed far out.";

    [Fact]
    public void Apply_PageWithNavigation_TextWithHeadingsListsAndCodeOnly()
    {
        var outcome = Apply($"""
            <html lang="en-GB"><head><title>Lamp</title><meta name="author" content="A. Keeper"><meta property="article:published_time" content="2023-02-01"><script>var x = 1;</script></head>
            <body><nav><a href=/>Home</a> <a href=/b>Blog</a></nav><div class="top"><a href=/1>First</a> <a href=/2>Second</a> <a href=/3>Third</a></div>
            <h1>The lamp</h1><p>{Paragraph}</p><h2>Oil</h2><p>{Paragraph} <a href=/oil>Oil</a> was dear.</p>
            <ul><li>wicks</li><li>glass</li></ul><pre>while (night)
                burn();</pre><p>{Paragraph}</p>
            <div><a href=/x>Related: ten things you never knew about lamps and who lit them</a></div>
            <p hidden>secret</p><footer>Copyright, all rights reserved by everybody who ever wrote anything on this page, and then some more words.</footer></body></html>
            """);

        Assert.Null(outcome.Drop);
        Assert.Equal(
            $"The lamp\n\n{Paragraph}\n\nOil\n\n{Paragraph} Oil was dear.\n\n- wicks\n- glass\n\nwhile (night)\n    burn();\n\n{Paragraph}", outcome.Document.Text);
        Assert.Equal(("Lamp", "A. Keeper", "en"), (outcome.Document.Title, outcome.Document.Metadata.Author, outcome.Document.Metadata.Language));
        Assert.Equal(new DateTimeOffset(2023, 2, 1, 0, 0, 0, TimeSpan.Zero), outcome.Document.Metadata.Date);
    }

    [Fact]
    public void Apply_PageOfLinks_Dropped()
    {
        var links = string.Concat(Enumerable.Range(0, 40).Select(i => $"<li><a href=/{i}>An article about the thing number {i} that you should read</a></li>"));
        Assert.Equal("no_main_text", Apply($"<body><ul>{links}</ul></body>").Drop?.Rule);
    }

    [Fact]
    public void Apply_NoHtml_SameDocument()
    {
        var document = new Document("a", "<p>text</p>", "a", "a") { Metadata = new DocumentMetadata { ContentType = "text/plain" } };
        Assert.Same(document, new MainText().Apply(document).Document);
    }

    [Fact]
    public void Apply_HundredThousandNestedElements_ItsText()
    {
        var deep = string.Concat(Enumerable.Repeat("<div>", 20_000));
        Assert.Contains("lighthouse", Apply($"<body>{deep}<p>{Paragraph}</p>").Document.Text, StringComparison.Ordinal);
    }

    private static StageOutcome Apply(string html) => new MainText().Apply(
        new Document("a", html, "a", "a") { Metadata = new DocumentMetadata { ContentType = "text/html" } });
}
