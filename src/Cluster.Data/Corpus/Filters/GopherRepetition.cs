using System.Collections.Immutable;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>
/// Limits of <see cref="GopherRepetition"/>, by default those of Rae et al. 2021, appendix A.1.1, table A1. A limit of null, and an n-gram
/// without an entry, turn the rule off.
/// </summary>
public sealed record GopherRepetitionOptions
{
    /// <summary>Greatest share of the lines that repeat an earlier one. Paper: 0.30.</summary>
    public double? MaximumDuplicateLines { get; init; } = 0.30;

    /// <summary>Greatest share of the paragraphs that repeat an earlier one. Paper: 0.30.</summary>
    public double? MaximumDuplicateParagraphs { get; init; } = 0.30;

    /// <summary>Greatest share of the characters that are in such lines. Paper: 0.20.</summary>
    public double? MaximumDuplicateLineCharacters { get; init; } = 0.20;

    /// <summary>Greatest share of the characters that are in such paragraphs. Paper: 0.20.</summary>
    public double? MaximumDuplicateParagraphCharacters { get; init; } = 0.20;

    /// <summary>Greatest share of the characters in the most frequent n-gram, by n from 1 to 20. Paper: 2: 0.20, 3: 0.18, 4:
    /// 0.16.</summary>
    public ImmutableSortedDictionary<int, double> MaximumTopNgram { get; init; } =
        ImmutableSortedDictionary.CreateRange<int, double>([new(2, 0.20), new(3, 0.18), new(4, 0.16)]);

    /// <summary>
    /// Greatest share of the characters in n-grams that repeat an earlier one, by n from 1 to 20. Paper: 5: 0.15, 6: 0.14, 7: 0.13, 8:
    /// 0.12, 9: 0.11, 10: 0.10.
    /// </summary>
    public ImmutableSortedDictionary<int, double> MaximumDuplicateNgrams { get; init; } =
        ImmutableSortedDictionary.CreateRange<int, double>(
            [new(5, 0.15), new(6, 0.14), new(7, 0.13), new(8, 0.12), new(9, 0.11), new(10, 0.10)]);

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public GopherRepetitionOptions Validate()
    {
        const string stage = GopherRepetition.StageName;
        Rule.CheckShare(stage, "maximum_duplicate_lines", MaximumDuplicateLines);
        Rule.CheckShare(stage, "maximum_duplicate_paragraphs", MaximumDuplicateParagraphs);
        Rule.CheckShare(stage, "maximum_duplicate_line_characters", MaximumDuplicateLineCharacters);
        Rule.CheckShare(stage, "maximum_duplicate_paragraph_characters", MaximumDuplicateParagraphCharacters);
        foreach (var (field, limits) in new[]
            { ("maximum_top_ngram", MaximumTopNgram), ("maximum_duplicate_ngrams", MaximumDuplicateNgrams) })
        {
            foreach (var (n, limit) in limits)
            {
                if (n is < 1 or > 20)
                    throw new UserErrorException(FormattableString.Invariant($"{stage}.{field} has an entry for n = {n}."),
                        "Give n from 1 to 20.");
                Rule.CheckShare(stage, field, limit);
            }
        }

        return this;
    }
}

/// <summary>
/// Gopher's repetition rules. Where the paper is vague, the counts are those of datatrove's filter of the same name: words and symbols make
/// the n-grams; the most frequent n-gram (of equals the one that is so first) counts with the spaces between its words; a repeated n-gram
/// counts without them and is skipped as a whole, so that no character counts twice; all are shares of the whole text. Other than there,
/// an n-gram that occurs once repeats nothing (which tells only in texts of fewer than about 25 words), and lines are compared without
/// the blanks at their ends.
/// </summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class GopherRepetition(GopherRepetitionOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "gopher-repetition";

    // Odd, with well-mixed bits: the multiplier of PCG (O'Neill 2014).
    private const ulong Multiplier = 6364136223846793005;

    private readonly GopherRepetitionOptions _options = (options ?? new()).Validate();
    private readonly (int N, double Limit, string Rule)[] _top =
        [.. (options ?? new()).MaximumTopNgram.Select(pair => (pair.Key, pair.Value, FormattableString.Invariant($"top_{pair.Key}_gram")))];

    private readonly (int N, double Limit, string Rule)[] _duplicate =
        [.. (options ?? new()).MaximumDuplicateNgrams.Select(pair =>
            (pair.Key, pair.Value, FormattableString.Invariant($"duplicate_{pair.Key}_grams")))];

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document) => Rule.Outcome(document, Judge(TextView.Of(document.Text)));

    private DropReason? Judge(TextView view)
    {
        if (view.Words.IsEmpty)
            return null;
        double characters = view.Text.Length;
        var paragraphs = view.Paragraphs;
        view.Counter.Reset(paragraphs.Length);
        long repeated = 0, repeatedCharacters = 0;
        foreach (ref readonly var paragraph in paragraphs)
        {
            if (view.Counter.Add(paragraph.Hash) == 1)
                continue;
            repeated++;
            repeatedCharacters += paragraph.Length;
        }

        if ((Rule.Above("duplicate_paragraphs", repeated / (double)paragraphs.Length, _options.MaximumDuplicateParagraphs)
            ?? Rule.Above("duplicate_paragraph_characters", repeatedCharacters / characters,
                _options.MaximumDuplicateParagraphCharacters)) is { } first)
            return first;

        (repeated, repeatedCharacters) = DuplicateLines(view);
        return Rule.Above("duplicate_lines", repeated / (double)view.VisibleLines, _options.MaximumDuplicateLines)
            ?? Rule.Above("duplicate_line_characters", repeatedCharacters / characters, _options.MaximumDuplicateLineCharacters)
            ?? TopNgrams(view, characters)
            ?? DuplicateNgrams(view, characters);
    }

    /// <summary>The lines that repeat an earlier one, and their characters without line feeds.</summary>
    internal static (long Lines, long Characters) DuplicateLines(TextView view)
    {
        view.Counter.Reset(view.VisibleLines);
        long lines = 0, characters = 0;
        foreach (ref readonly var line in view.Lines)
        {
            if (line.IsBlank || view.Counter.Add(line.Hash) == 1)
                continue;
            lines++;
            characters += line.Length;
        }

        return (lines, characters);
    }

    private DropReason? TopNgrams(TextView view, double characters)
    {
        var words = view.Words;
        foreach (var (n, limit, rule) in _top)
        {
            if (words.Length < n)
                break;
            var power = Power(n);
            view.Counter.Reset(words.Length - n + 1);
            var hash = 0UL;
            int most = 1, length = 0;
            long window = 0;
            for (var i = 0; i < words.Length; i++)
            {
                hash = hash * Multiplier + words[i].Hash;
                window += words[i].Length;
                if (i >= n)
                {
                    hash -= words[i - n].Hash * power;
                    window -= words[i - n].Length;
                }

                if (i < n - 1)
                    continue;
                var count = view.Counter.Add(TextView.Mix(hash));
                if (count <= most)
                    continue;
                most = count;
                length = (int)window + n - 1;
            }

            // No n-gram occurs twice: no longer one does.
            if (most == 1)
                break;
            if (Rule.Above(rule, (double)length * most / characters, limit) is { } reason)
                return reason;
        }

        return null;
    }

    private DropReason? DuplicateNgrams(TextView view, double characters)
    {
        var words = view.Words;
        foreach (var (n, limit, rule) in _duplicate)
        {
            if (words.Length < n)
                break;
            var power = Power(n);
            view.Counter.Reset(words.Length - n + 1);
            var hash = 0UL;
            long length = 0, repeated = 0;
            var next = n - 1;
            for (var i = 0; i < words.Length; i++)
            {
                hash = hash * Multiplier + words[i].Hash;
                length += words[i].Length;
                if (i >= n)
                {
                    hash -= words[i - n].Hash * power;
                    length -= words[i - n].Length;
                }

                if (i < next)
                    continue;
                if (view.Counter.Add(TextView.Mix(hash)) == 1)
                    continue;
                repeated += length;
                next = i + n;
            }

            if (repeated == 0)
                break;
            if (Rule.Above(rule, repeated / characters, limit) is { } reason)
                return reason;
        }

        return null;
    }

    private static ulong Power(int n)
    {
        var power = 1UL;
        for (var i = 0; i < n; i++)
            power *= Multiplier;
        return power;
    }
}
