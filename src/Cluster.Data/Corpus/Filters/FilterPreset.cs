using System.Collections.Immutable;

namespace Cluster.Data.Corpus.Filters;

/// <summary>The filters of a corpus and their limits; a filter of null is left out.</summary>
public sealed record FilterPreset
{
    /// <summary>
    /// For pages of the web: every published limit as published. Reads best after extraction and language identification, on English.
    /// </summary>
    public static FilterPreset Web { get; } = new();

    /// <summary>
    /// For reference documentation and other short entries. Each difference from <see cref="Web"/> and why:
    /// <list type="bullet">
    /// <item>gopher-quality: no least number of words, because an entry of one sentence is whole; no stop words, because a sentence of ten
    /// words may have none of eight; words of up to 16 characters on average, because names such as System.Collections.Generic are one
    /// word; half of the words with a letter, because signatures and code are rich in signs; up to 0.3 number signs or ellipses a word,
    /// because each member has a heading of Markdown; no limit on bullets, because an enumeration is a list.</item>
    /// <item>gopher-repetition: no limits on n-grams, because in a short entry the name that it explains is what repeats; those on lines
    /// and paragraphs stay.</item>
    /// <item>c4: left out, because headings, parameter lists and signatures end without punctuation and braces are what the text is
    /// about.</item>
    /// <item>fineweb: left out, because short lines and lines without punctuation are the form of an entry; its limit on repeated lines is
    /// too narrow for overloads that share a sentence, and gopher-repetition keeps watch over those.</item>
    /// <item>markup-left: no limit on lines of script, because examples are code; up to 0.1 tags a word, because an entry of a web framework
    /// names the tags that it is about; character references left over are damage here too.</item>
    /// </list>
    /// </summary>
    public static FilterPreset ShortForm { get; } = new()
    {
        GopherQuality = new GopherQualityOptions
        {
            MinimumWords = null,
            MinimumStopWords = null,
            MaximumMeanWordLength = 16,
            MaximumSymbolsPerWord = 0.3,
            MaximumBulletLines = null,
            MinimumWordsWithLetter = 0.5,
        },
        GopherRepetition = new GopherRepetitionOptions
        {
            MaximumTopNgram = ImmutableSortedDictionary<int, double>.Empty,
            MaximumDuplicateNgrams = ImmutableSortedDictionary<int, double>.Empty,
        },
        C4 = null,
        FineWeb = null,
        MarkupLeft = new MarkupLeftOptions { MaximumScriptLines = null, MaximumTagsPerWord = 0.1 },
    };

    /// <summary>The least that a text must be.</summary>
    public PlainTextOptions? PlainText { get; init; } = new();

    /// <summary>Damage by wrong decoders.</summary>
    public EncodingDamageOptions? EncodingDamage { get; init; } = new();

    /// <summary>Markup left over.</summary>
    public MarkupLeftOptions? MarkupLeft { get; init; } = new();

    /// <summary>Gopher's quality rules.</summary>
    public GopherQualityOptions? GopherQuality { get; init; } = new();

    /// <summary>Gopher's repetition rules.</summary>
    public GopherRepetitionOptions? GopherRepetition { get; init; } = new();

    /// <summary>FineWeb's rules.</summary>
    public FineWebOptions? FineWeb { get; init; } = new();

    /// <summary>C4's rules. Last, because they change the text and the others judge it as it came.</summary>
    public C4Options? C4 { get; init; } = new();

    /// <summary>The stages in the order above.</summary>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">A limit is out of range.</exception>
    public IReadOnlyList<IDocumentStage> Stages() =>
    [
        .. new IDocumentStage?[]
        {
            PlainText is null ? null : new PlainText(PlainText),
            EncodingDamage is null ? null : new EncodingDamage(EncodingDamage),
            MarkupLeft is null ? null : new MarkupLeft(MarkupLeft),
            GopherQuality is null ? null : new GopherQuality(GopherQuality),
            GopherRepetition is null ? null : new GopherRepetition(GopherRepetition),
            FineWeb is null ? null : new FineWeb(FineWeb),
            C4 is null ? null : new C4(C4),
        }.OfType<IDocumentStage>(),
    ];
}
