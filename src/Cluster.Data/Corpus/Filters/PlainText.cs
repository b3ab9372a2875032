using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>Limits of <see cref="PlainText"/>: this project's own. A limit of null turns its rule off.</summary>
public sealed record PlainTextOptions
{
    /// <summary>Fewest visible characters.</summary>
    public int? MinimumCharacters { get; init; } = 80;

    /// <summary>Greatest share of the visible characters that are U+FFFD.</summary>
    public double? MaximumReplacements { get; init; } = 0.01;

    /// <summary>Least share of the visible characters that are letters, digits or marks.</summary>
    public double? MinimumLetters { get; init; } = 0.25;

    /// <summary>Greatest share of the characters of the lines, outer blanks apart, that are in lines seen before.</summary>
    public double? MaximumRepeatedLines { get; init; } = 0.6;

    /// <summary>Fewest visible lines for that rule.</summary>
    public int MinimumLines { get; init; } = 10;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public PlainTextOptions Validate()
    {
        Rule.CheckNonNegative(PlainText.StageName, "minimum_characters", MinimumCharacters);
        Rule.CheckShare(PlainText.StageName, "maximum_replacements", MaximumReplacements);
        Rule.CheckShare(PlainText.StageName, "minimum_letters", MinimumLetters);
        Rule.CheckShare(PlainText.StageName, "maximum_repeated_lines", MaximumRepeatedLines);
        Rule.CheckNonNegative(PlainText.StageName, "minimum_lines", MinimumLines);
        return this;
    }
}

/// <summary>The least that any text must be, in any language and of any kind: code and verse pass.</summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class PlainText(PlainTextOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "plain-text";

    // Of a UTF-16 unit: 0 white space, 1 another visible one, 2 a letter, digit or mark. Units beyond the basic plane (rare scripts,
    // emoji) count as letters.
    private static readonly byte[] s_kinds = [.. Enumerable.Range(0, 1 << 16).Select(c => Kind((char)c))];

    private readonly PlainTextOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document) => Rule.Outcome(document, Judge(document.Text));

    private DropReason? Judge(string text)
    {
        int visible = 0, letters = 0, replaced = 0;
        var kinds = s_kinds;
        foreach (var c in text)
        {
            var kind = kinds[c];
            visible += (kind + 1) >> 1;
            letters += kind >> 1;
            replaced += c == '\uFFFD' ? 1 : 0;
        }

        if (Rule.Below("too_short", visible, _options.MinimumCharacters) is { } tooShort)
            return tooShort;
        if (visible == 0)
            return null;
        return Rule.Above("not_utf8", replaced / (double)visible, _options.MaximumReplacements)
            ?? Rule.Below("mostly_symbols", letters / (double)visible, _options.MinimumLetters)
            ?? RepeatedLines(TextView.Of(text));
    }

    private DropReason? RepeatedLines(TextView view)
    {
        if (_options.MaximumRepeatedLines is null || view.VisibleLines < _options.MinimumLines)
            return null;
        long all = 0, repeated = 0;
        view.Counter.Reset(view.VisibleLines);
        foreach (ref readonly var line in view.Lines)
        {
            if (line.IsBlank)
                continue;
            var length = line.To - line.From;
            all += length;
            // The line's own hash knows its indentation, which here tells no lines apart.
            var hash = 0UL;
            foreach (ref readonly var word in view.Words.Slice(line.FirstWord, line.Words))
                hash = TextView.Mix(hash ^ (word.Hash + (ulong)(word.Start - line.From)));
            if (view.Counter.Add(hash) > 1)
                repeated += length;
        }

        return all == 0 ? null : Rule.Above("repeated_lines", repeated / (double)all, _options.MaximumRepeatedLines);
    }

    private static byte Kind(char c)
    {
        if (char.IsWhiteSpace(c))
            return 0;
        return char.IsLetterOrDigit(c) || char.IsSurrogate(c)
            || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark ? (byte)2 : (byte)1;
    }
}
