using System.Buffers;
using System.Collections.Frozen;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>Limits of <see cref="MarkupLeft"/>: this project's own. A limit of null turns its rule off.</summary>
public sealed record MarkupLeftOptions
{
    /// <summary>Most HTML tags per word or symbol.</summary>
    public double? MaximumTagsPerWord { get; init; } = 0.02;

    /// <summary>Most character references ("&amp;amp;", "&amp;#160;") per word or symbol.</summary>
    public double? MaximumEntitiesPerWord { get; init; } = 0.02;

    /// <summary>Greatest share of the visible lines that read like script or style ("});", "var x = …;", "color: #fff;").</summary>
    public double? MaximumScriptLines { get; init; } = 0.3;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public MarkupLeftOptions Validate()
    {
        Rule.CheckNonNegative(MarkupLeft.StageName, "maximum_tags_per_word", MaximumTagsPerWord);
        Rule.CheckNonNegative(MarkupLeft.StageName, "maximum_entities_per_word", MaximumEntitiesPerWord);
        Rule.CheckShare(MarkupLeft.StageName, "maximum_script_lines", MaximumScriptLines);
        return this;
    }
}

/// <summary>
/// Markup that extraction left over: tags of HTML by their names (so that <c>List&lt;T&gt;</c> is none), character references, and lines of
/// script or style.
/// </summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class MarkupLeft(MarkupLeftOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "markup-left";

    private const int LongestName = 10;

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_tags =
        ("a abbr article aside b blockquote body br button center code dd div dl dt em embed fieldset font footer form frame h1 h2 h3 h4 h5 h6 head "
        + "header hr html i iframe img input label li link main meta nav noscript object ol optgroup option p pre script section select small span "
        + "strong style sub sup svg table tbody td textarea tfoot th thead title tr u ul video")
        .Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_entities =
        "amp lt gt quot apos nbsp copy reg trade hellip mdash ndash lsquo rsquo ldquo rdquo laquo raquo bull middot euro times auml ouml uuml szlig eacute egrave"
            .Split(' ').ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly SearchValues<char> s_starts = SearchValues.Create("<&");

    private static readonly SearchValues<string> s_script = SearchValues.Create(
        ["function(", "function (", "document.", "window.", "var ", "return ", "=>", "px;", "color:", "margin:", "padding:", "font-", "$(",
            "!important"],
        StringComparison.Ordinal);

    private readonly MarkupLeftOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var view = TextView.Of(document.Text);
        if (view.Words.IsEmpty)
            return StageOutcome.Keep(document);
        var (tags, entities) = Count(document.Text);
        double words = view.Words.Length;
        return Rule.Outcome(document, Rule.Above("tags", tags / words, _options.MaximumTagsPerWord)
            ?? Rule.Above("entities", entities / words, _options.MaximumEntitiesPerWord)
            ?? (_options.MaximumScriptLines is null ? null : Rule.Above("script_lines", ScriptLines(view) / (double)view.VisibleLines,
                _options.MaximumScriptLines)));
    }

    private static (int Tags, int Entities) Count(ReadOnlySpan<char> text)
    {
        int tags = 0, entities = 0;
        while (true)
        {
            var at = text.IndexOfAny(s_starts);
            if (at < 0)
                return (tags, entities);
            var rest = text[(at + 1)..];
            if (text[at] == '<')
                tags += IsTag(rest) ? 1 : 0;
            else
                entities += IsEntity(rest) ? 1 : 0;
            text = rest;
        }
    }

    private static bool IsTag(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("!--"))
            return true;
        if (!text.IsEmpty && text[0] == '/')
            text = text[1..];
        var length = 0;
        while (length < text.Length && length < LongestName && char.IsAsciiLetterOrDigit(text[length]))
            length++;
        return length > 0 && length < text.Length && (text[length] is '>' or '/' || char.IsWhiteSpace(text[length]))
            && s_tags.Contains(text[..length]);
    }

    private static bool IsEntity(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && length < LongestName && (char.IsAsciiLetterOrDigit(text[length]) || (length == 0 && text[0] == '#')))
            length++;
        if (length == 0 || length == text.Length || text[length] != ';')
            return false;
        return text[0] == '#' ? length > 1 && (char.IsAsciiDigit(text[1]) || text[1] is 'x' or 'X') : s_entities.Contains(text[..length]);
    }

    private static int ScriptLines(TextView view)
    {
        var count = 0;
        foreach (ref readonly var line in view.Lines)
        {
            if (line.IsBlank)
                continue;
            var visible = view.Text.AsSpan(line.From, line.To - line.From);
            // Prose ends in none of these; of what does, a closing bracket alone or a word of script decides.
            if (visible[^1] is '{' or '}' or ';' && (visible.Length <= 4 || visible.ContainsAny(s_script)))
                count++;
        }

        return count;
    }
}
