using System.Buffers;
using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>
/// Rules of <see cref="C4"/>, by default those of Raffel et al. 2020, "Exploring the limits of transfer learning with a unified
/// text-to-text transformer", section 2.2, and of its published code.
/// </summary>
public sealed record C4Options
{
    /// <summary>Drop a document with a curly brace in a line that is kept. Paper: yes.</summary>
    public bool DropCurlyBraces { get; init; } = true;

    /// <summary>Drop a document with "lorem ipsum". Paper: yes.</summary>
    public bool DropLoremIpsum { get; init; } = true;

    /// <summary>Remove lines that mention JavaScript. Paper: yes.</summary>
    public bool RemoveJavascriptLines { get; init; } = true;

    /// <summary>Remove lines that speak of terms of use, privacy policies or cookies. Code: yes.</summary>
    public bool RemovePolicyLines { get; init; } = true;

    /// <summary>Remove lines that do not end in <c>. ! ? "</c> or an apostrophe, or that end in an ellipsis. Paper: yes.</summary>
    public bool RequireTerminalPunctuation { get; init; } = true;

    /// <summary>Remove citation marks ("[12]", "[edit]", "[citation needed]") from lines. Code: yes.</summary>
    public bool RemoveCitations { get; init; } = true;

    /// <summary>Fewest words (between blanks) of a line that is kept. Paper: 3.</summary>
    public int? MinimumWordsPerLine { get; init; } = 3;

    /// <summary>Longest word (between blanks) of a line that is kept, in characters. Code: 1,000.</summary>
    public int? MaximumWordLength { get; init; } = 1000;

    /// <summary>Fewest sentences of the lines that are kept. Paper: 5.</summary>
    public int? MinimumSentences { get; init; } = 5;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public C4Options Validate()
    {
        Rule.CheckNonNegative(C4.StageName, "minimum_words_per_line", MinimumWordsPerLine);
        Rule.CheckNonNegative(C4.StageName, "maximum_word_length", MaximumWordLength);
        Rule.CheckNonNegative(C4.StageName, "minimum_sentences", MinimumSentences);
        return this;
    }
}

/// <summary>
/// C4's rules: removes lines (their outer blanks too), then drops what is too little, and documents with braces or filler text. Where the
/// paper is vague, the order of the rules is that of the published code and of datatrove's filter: a brace or filler text in a line that is
/// removed before does not count. Sentences are counted by <see cref="Sentences"/>. Blank lines go, as there: they have no words.
/// </summary>
/// <param name="options">Which rules.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class C4(C4Options? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "c4";

    private static readonly SearchValues<string> s_policies = SearchValues.Create(
        ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"],
        StringComparison.OrdinalIgnoreCase);

    // Single-string values: vectorised, unlike IndexOf that ignores case.
    private static readonly SearchValues<string> s_lorem = SearchValues.Create(["lorem ipsum"], StringComparison.OrdinalIgnoreCase);

    private static readonly SearchValues<string> s_javascript = SearchValues.Create(["javascript"], StringComparison.OrdinalIgnoreCase);

    private static readonly string[] s_citations = ["[edit]", "[citation needed]"];

    private readonly C4Options _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var view = TextView.Of(document.Text);
        var text = document.Text.AsSpan();
        var kept = new StringBuilder(text.Length);
        var sentences = 0;
        // Most texts have none of these anywhere: then no line is searched for them.
        var lorem = _options.DropLoremIpsum && text.ContainsAny(s_lorem);
        var javascript = _options.RemoveJavascriptLines && text.ContainsAny(s_javascript);
        var brace = _options.DropCurlyBraces && text.Contains('{');
        var policy = _options.RemovePolicyLines && text.ContainsAny(s_policies);
        var citations = _options.RemoveCitations && text.Contains('[');
        foreach (ref readonly var place in view.Lines)
        {
            var line = text[place.From..place.To];
            if (!HasWords(line))
                continue;
            if (citations && line.Contains('['))
                line = WithoutCitations(line);
            if (_options.RequireTerminalPunctuation && !EndsWell(line))
                continue;
            if (lorem && line.ContainsAny(s_lorem))
                return StageOutcome.Dropped(document, new DropReason("lorem_ipsum"));
            if (javascript && line.ContainsAny(s_javascript))
                continue;
            if (brace && line.Contains('{'))
                return StageOutcome.Dropped(document, new DropReason("curly_brace"));
            if (policy && line.ContainsAny(s_policies))
                continue;
            sentences += Sentences.Count(line);
            if (kept.Length > 0)
                kept.Append('\n');
            kept.Append(line);
        }

        if (Rule.Below("few_sentences", sentences, _options.MinimumSentences) is { } reason)
            return StageOutcome.Dropped(document, reason);
        if (kept.Length == 0)
            return StageOutcome.Dropped(document, new DropReason("no_line_left"));
        return StageOutcome.Keep(kept.Length == text.Length && text.Equals(kept.ToString(), StringComparison.Ordinal)
            ? document
            : document with { Text = kept.ToString() });
    }

    private bool HasWords(ReadOnlySpan<char> line)
    {
        if (line.IsEmpty)
            return _options.MinimumWordsPerLine is null or 0;
        int words = 0, length = 0, longest = 0;
        foreach (var c in line)
        {
            if (char.IsWhiteSpace(c))
            {
                length = 0;
                continue;
            }

            if (length++ == 0)
                words++;
            longest = Math.Max(longest, length);
        }

        return !(words < _options.MinimumWordsPerLine) && !(longest > _options.MaximumWordLength);
    }

    private static bool EndsWell(ReadOnlySpan<char> line) => !line.IsEmpty && line[^1] is '.' or '?' or '!' or '"' or '\''
        && !line.EndsWith("...");

    private static ReadOnlySpan<char> WithoutCitations(ReadOnlySpan<char> line)
    {
        StringBuilder? changed = null;
        var from = 0;
        for (var i = 0; i < line.Length; i++)
        {
            var length = line[i] == '[' ? CitationLength(line[i..]) : 0;
            if (length == 0)
                continue;
            (changed ??= new StringBuilder(line.Length)).Append(line[from..i]);
            from = i + length;
            i = from - 1;
        }

        return changed is null ? line : changed.Append(line[from..]).ToString();
    }

    private static int CitationLength(ReadOnlySpan<char> text)
    {
        foreach (var citation in s_citations)
        {
            if (text.StartsWith(citation, StringComparison.Ordinal))
                return citation.Length;
        }

        var i = 1;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
            i++;
        return i < text.Length && text[i] == ']' ? i + 1 : 0;
    }
}
