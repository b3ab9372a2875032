using System.Globalization;
using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace Cluster.Data.Corpus.Extraction;

/// <summary>Limits of <see cref="MainText"/>.</summary>
public sealed record MainTextOptions
{
    /// <summary>Fewest words of the text of a page, 0 or more.</summary>
    public int MinimumWords { get; init; } = 10;
}

/// <summary>
/// The main text of a page, without navigation and boilerplate; documents that are no HTML pass as they are. Elements that say what they are
/// (nav, footer, role=navigation, hidden ...) go first, as trafilatura does (Barbaresi, ACL 2021); of the blocks that remain those stay that
/// the decision tree on word counts and link densities of a block and its neighbours accepts (Kohlschütter, Fankhauser and Nejdl,
/// "Boilerplate detection using shallow text features", WSDM 2010, figure 4, algorithm 2): no list of words, so any language is treated alike.
/// Then, as in jusText's revision step (Pomikálek 2011, section 3.2.4), headings right before accepted text and short blocks (items of lists,
/// code) between accepted ones without links of their own are taken back in. Title, date, author, language and licence are what the page says.
/// </summary>
/// <param name="options">Limits.</param>
public sealed class MainText(MainTextOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "main-text";

    private const int RevisionReach = 8;
    private readonly MainTextOptions _options = options ?? new MainTextOptions();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        if (document.Metadata.ContentType is not ("text/html" or "application/xhtml+xml"))
            return StageOutcome.Keep(document);
        using var page = new HtmlParser().ParseDocument(document.Text);
        var (text, words) = Extract(page);
        if (words < _options.MinimumWords)
            return StageOutcome.Dropped(document, new DropReason("no_main_text", words, _options.MinimumWords));
        var metadata = document.Metadata;
        return StageOutcome.Keep(document with
        {
            Text = text,
            Title = document.Title ?? Title(page),
            Metadata = metadata with
            {
                Date = metadata.Date ?? Date(Meta(page, "article:published_time") ?? Meta(page, "date") ?? Meta(page, "dc.date")),
                Author = metadata.Author ?? Meta(page, "author") ?? Meta(page, "article:author"),
                License = metadata.License ?? page.QuerySelector("a[rel~=license][href], link[rel~=license][href]")?.GetAttribute("href"),
                Language = metadata.Language ?? Language(page),
            },
        });
    }

    private static (string Text, int Words) Extract(IDocument page)
    {
        // An article's own element is a statement of its author; several (a page of teasers) are none.
        var articles = page.QuerySelectorAll("article");
        var root = articles.Length == 1 ? articles[0] : page.QuerySelector("main, [role=main]") ?? (IElement?)page.Body;
        if (root is null)
            return ("", 0);
        var blocks = HtmlBlocks.Of(root);
        var kept = Classify(blocks);
        Revise(blocks, kept);
        var text = new StringBuilder();
        var words = 0;
        HtmlBlock? last = null;
        for (var i = 0; i < blocks.Count; i++)
        {
            if (!kept[i])
                continue;
            var block = blocks[i];
            if (last is not null)
                text.Append(last.Kind == HtmlBlockKind.ListItem && block.Kind == HtmlBlockKind.ListItem ? "\n" : "\n\n");
            if (block.Kind == HtmlBlockKind.ListItem)
                text.Append("- ");
            text.Append(block.Text);
            words += block.Words;
            last = block;
        }

        return (text.ToString(), words);
    }

    private static bool[] Classify(List<HtmlBlock> blocks)
    {
        var none = new HtmlBlock(HtmlBlockKind.Text, "", 0, 0);
        var kept = new bool[blocks.Count];
        for (var i = 0; i < blocks.Count; i++)
        {
            var (previous, current, next) = (i > 0 ? blocks[i - 1] : none, blocks[i], i + 1 < blocks.Count ? blocks[i + 1] : none);
            kept[i] = current.LinkDensity <= 1 / 3.0
                && (previous.LinkDensity <= 5 / 9.0
                    ? current.Words > 16 || next.Words > 15 || previous.Words > 4
                    : current.Words > 40 || next.Words > 17);
            // The tree was learned on pages whose headings are few; here a heading stays only with its text.
            if (current.Kind == HtmlBlockKind.Heading)
                kept[i] = false;
            // Code is no running text: it stays where text stands beside it.
            if (current.Kind == HtmlBlockKind.Preformatted)
                kept[i] = current.LinkDensity <= 1 / 3.0;
        }

        return kept;
    }

    private static void Revise(List<HtmlBlock> blocks, bool[] kept)
    {
        // Short blocks between accepted ones, no farther apart than the reach.
        var last = -1;
        for (var i = 0; i < blocks.Count; i++)
        {
            if (!kept[i])
                continue;
            if (last >= 0 && i - last <= RevisionReach)
            {
                for (var between = last + 1; between < i; between++)
                    kept[between] |= blocks[between].LinkDensity <= 1 / 3.0;
            }

            last = i;
        }

        for (var i = blocks.Count - 2; i >= 0; i--)
            kept[i] |= blocks[i].Kind == HtmlBlockKind.Heading && kept[i + 1] && blocks[i].LinkDensity < 1;
    }

    private static string? Title(IDocument page) =>
        Meta(page, "og:title") is { Length: > 0 } stated ? stated
        : page.Title is { Length: > 0 } title ? title.Trim()
        : null;

    private static string? Meta(IDocument page, string name)
    {
        var content = page.QuerySelector($"meta[property='{name}'], meta[name='{name}']")?.GetAttribute("content")?.Trim();
        return string.IsNullOrEmpty(content) ? null : content;
    }

    private static string? Language(IDocument page) =>
        page.DocumentElement.GetAttribute("lang") is { Length: >= 2 } tag && tag.Split('-')[0] is { Length: 2 } code ? code.ToLowerInvariant() : null;

    private static DateTimeOffset? Date(string? text) => DateTimeOffset.TryParse(
        text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var date) ? date : null;
}
