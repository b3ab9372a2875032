using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>
/// Limits of <see cref="GopherQuality"/>, by default those of Rae et al. 2021, "Scaling language models: methods, analysis and insights
/// from training Gopher", appendix A.1.1 ("quality filtering"). A limit of null turns its rule off.
/// </summary>
public sealed record GopherQualityOptions
{
    /// <summary>Fewest words that are not symbols. Paper: 50.</summary>
    public int? MinimumWords { get; init; } = 50;

    /// <summary>Most words that are not symbols. Paper: 100,000.</summary>
    public int? MaximumWords { get; init; } = 100_000;

    /// <summary>Least mean length of the words that are not symbols, in characters. Paper: 3.</summary>
    public double? MinimumMeanWordLength { get; init; } = 3;

    /// <summary>Greatest mean length of the words that are not symbols, in characters. Paper: 10.</summary>
    public double? MaximumMeanWordLength { get; init; } = 10;

    /// <summary>Most number signs, and most ellipses, per word or symbol. Paper: 0.1 for either.</summary>
    public double? MaximumSymbolsPerWord { get; init; } = 0.1;

    /// <summary>Greatest share of the lines that begin with a bullet (• or -). Paper: 0.9.</summary>
    public double? MaximumBulletLines { get; init; } = 0.9;

    /// <summary>Greatest share of the lines that end in an ellipsis. Paper: 0.3.</summary>
    public double? MaximumEllipsisLines { get; init; } = 0.3;

    /// <summary>Least share of words and symbols that have a letter. Paper: 0.8.</summary>
    public double? MinimumWordsWithLetter { get; init; } = 0.8;

    /// <summary>Fewest of <see cref="StopWords"/> that occur. Paper: 2.</summary>
    public int? MinimumStopWords { get; init; } = 2;

    /// <summary>The paper's stop words, compared as they are written there, in lower case. Another language has its own; at most
    /// 64.</summary>
    public IReadOnlyList<string> StopWords { get; init; } = ["the", "be", "to", "of", "and", "that", "have", "with"];

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public GopherQualityOptions Validate()
    {
        const string stage = GopherQuality.StageName;
        Rule.CheckNonNegative(stage, "minimum_words", MinimumWords);
        Rule.CheckNonNegative(stage, "maximum_words", MaximumWords);
        Rule.CheckNonNegative(stage, "minimum_mean_word_length", MinimumMeanWordLength);
        Rule.CheckNonNegative(stage, "maximum_mean_word_length", MaximumMeanWordLength);
        Rule.CheckNonNegative(stage, "maximum_symbols_per_word", MaximumSymbolsPerWord);
        Rule.CheckShare(stage, "maximum_bullet_lines", MaximumBulletLines);
        Rule.CheckShare(stage, "maximum_ellipsis_lines", MaximumEllipsisLines);
        Rule.CheckShare(stage, "minimum_words_with_letter", MinimumWordsWithLetter);
        Rule.CheckNonNegative(stage, "minimum_stop_words", MinimumStopWords);
        if (StopWords.Count > 64 || StopWords.Any(string.IsNullOrEmpty))
            throw new UserErrorException($"{stage}.stop_words has {StopWords.Count} entries, or an empty one.", "Give at most 64 words.");
        return this;
    }
}

/// <summary>
/// Gopher's quality rules: length, word lengths, symbols, bullets, ellipses, words with letters, stop words. Where the paper is vague,
/// counts are those of datatrove's filter of the same name: words and symbols as <see cref="TextView"/> finds them, length and mean over
/// the words that are not symbols, blank lines among the lines. Made for languages that put spaces between words.
/// </summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class GopherQuality(GopherQualityOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "gopher-quality";

    private readonly GopherQualityOptions _options = (options ?? new()).Validate();
    private readonly ulong[] _stopWords =
        [.. (options ?? new()).StopWords.Distinct(StringComparer.Ordinal).Select(word => TextView.HashOf(word))];

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document) => Rule.Outcome(document, Judge(TextView.Of(document.Text)));

    private DropReason? Judge(TextView view)
    {
        var words = view.TrueWords;
        if (Rule.Below("few_words", words, _options.MinimumWords) is { } few)
            return few;
        if (Rule.Above("many_words", words, _options.MaximumWords) is { } many)
            return many;
        if (view.Words.IsEmpty)
            return null;

        var mean = words == 0 ? 0 : view.TrueWordCharacters / (double)words;
        if (Rule.Below("short_words", mean, _options.MinimumMeanWordLength) is { } shortWords)
            return shortWords;
        if (Rule.Above("long_words", mean, _options.MaximumMeanWordLength) is { } longWords)
            return longWords;

        var (hashes, ellipses, stopWords) = Count(view);
        var (bullets, trailing) = CountLines(view);
        double all = view.Words.Length, lines = view.Lines.Length;
        return Rule.Above("number_signs", hashes / all, _options.MaximumSymbolsPerWord)
            ?? Rule.Above("ellipses", ellipses / all, _options.MaximumSymbolsPerWord)
            ?? Rule.Above("bullet_lines", bullets / lines, _options.MaximumBulletLines)
            ?? Rule.Above("ellipsis_lines", trailing / lines, _options.MaximumEllipsisLines)
            ?? Rule.Below("words_with_letter", view.WordsWithLetter / all, _options.MinimumWordsWithLetter)
            ?? Rule.Below("stop_words", stopWords, _options.MinimumStopWords);
    }

    private (int Hashes, int Ellipses, int StopWords) Count(TextView view)
    {
        int hashes = 0, ellipses = 0;
        var found = 0UL;
        var needed = _options.MinimumStopWords ?? 0;
        var text = view.Text;
        foreach (ref readonly var word in view.Words)
        {
            if (word.IsSymbol)
            {
                switch (text[word.Start])
                {
                    case '#':
                        hashes++;
                        break;
                    case '.':
                        ellipses += word.Length / 3;
                        break;
                    case '…':
                        ellipses++;
                        break;
                }
            }
            else if (System.Numerics.BitOperations.PopCount(found) < needed)
            {
                var at = _stopWords.AsSpan().IndexOf(word.Hash);
                if (at >= 0)
                    found |= 1UL << at;
            }
        }

        return (hashes, ellipses, System.Numerics.BitOperations.PopCount(found));
    }

    private static (int Bullets, int Ellipses) CountLines(TextView view)
    {
        int bullets = 0, ellipses = 0;
        var text = view.Text.AsSpan();
        foreach (ref readonly var line in view.Lines)
        {
            var visible = text[line.From..line.To];
            if (visible.IsEmpty)
                continue;
            if (visible[0] is '•' or '-')
                bullets++;
            if (visible[^1] == '…' || visible.EndsWith("..."))
                ellipses++;
        }

        return (bullets, ellipses);
    }
}
