using System.Buffers;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>
/// Limits of <see cref="FineWeb"/>, by default those of Penedo et al. 2024, "The FineWeb datasets: decanting the web for the finest text
/// data at scale", section 3.5, and of its published code. A limit of null turns its rule off.
/// </summary>
public sealed record FineWebOptions
{
    /// <summary>Least share of the visible lines that end in terminal punctuation. Paper: 0.12.</summary>
    public double? MinimumPunctuatedLines { get; init; } = 0.12;

    /// <summary>Greatest share of the visible lines that are short. Paper: 0.67.</summary>
    public double? MaximumShortLines { get; init; } = 0.67;

    /// <summary>Most characters of a short line. Paper: 30 (code: 30 is short, the paper's "shorter than").</summary>
    public int ShortLineCharacters { get; init; } = 30;

    /// <summary>Greatest share of the characters, line feeds apart, in lines that repeat an earlier one. Code: 0.01 (paper: 0.1).</summary>
    public double? MaximumDuplicateLineCharacters { get; init; } = 0.01;

    /// <summary>Most line feeds per word or symbol. Code: 0.3.</summary>
    public double? MaximumLineFeedsPerWord { get; init; } = 0.3;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public FineWebOptions Validate()
    {
        Rule.CheckShare(FineWeb.StageName, "minimum_punctuated_lines", MinimumPunctuatedLines);
        Rule.CheckShare(FineWeb.StageName, "maximum_short_lines", MaximumShortLines);
        Rule.CheckNonNegative(FineWeb.StageName, "short_line_characters", ShortLineCharacters);
        Rule.CheckShare(FineWeb.StageName, "maximum_duplicate_line_characters", MaximumDuplicateLineCharacters);
        Rule.CheckNonNegative(FineWeb.StageName, "maximum_line_feeds_per_word", MaximumLineFeedsPerWord);
        return this;
    }
}

/// <summary>
/// FineWeb's own rules: punctuated lines, short lines, repeated lines, lists. Counts are those of datatrove's filter of the same name, but
/// the blanks at the end of a line do not hide its punctuation.
/// </summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class FineWeb(FineWebOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "fineweb";

    // Marks with the property Sentence_Terminal (Unicode's PropList.txt) of the scripts that the language stage knows.
    private static readonly SearchValues<char> s_terminal = SearchValues.Create(".!?\u0589\u061D\u061E\u061F\u06D4\u0964\u0965\u203C\u203D\u2047\u2048\u2049\u3002\uFE52\uFE56\uFE57\uFF01\uFF0E\uFF1F\uFF61");

    private readonly FineWebOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document) => Rule.Outcome(document, Judge(TextView.Of(document.Text)));

    private DropReason? Judge(TextView view)
    {
        if (view.VisibleLines == 0)
            return new DropReason("empty");
        var text = view.Text;
        int punctuated = 0, shortLines = 0;
        foreach (ref readonly var line in view.Lines)
        {
            if (line.IsBlank)
                continue;
            if (s_terminal.Contains(text[line.To - 1]))
                punctuated++;
            if (line.Length <= _options.ShortLineCharacters)
                shortLines++;
        }

        double lines = view.VisibleLines;
        if ((Rule.Below("punctuated_lines", punctuated / lines, _options.MinimumPunctuatedLines)
            ?? Rule.Above("short_lines", shortLines / lines, _options.MaximumShortLines)) is { } reason)
            return reason;
        var lineFeeds = view.Lines.Length - (text[^1] == '\n' ? 0 : 1);
        var (_, repeated) = GopherRepetition.DuplicateLines(view);
        return Rule.Above("duplicate_line_characters", repeated / (double)(text.Length - lineFeeds),
            _options.MaximumDuplicateLineCharacters)
            ?? Rule.Above("line_feeds", lineFeeds / (double)view.Words.Length, _options.MaximumLineFeedsPerWord);
    }
}
