using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Quality;

/// <summary>
/// What makes a document's quality and what is done about it. The quality is the weighted mean of the parts that there are: of a document
/// without one (no classifier given, a language other than English, a source that nothing is said of) the others' weights count alone.
/// </summary>
public sealed record LearnedQualityOptions
{
    /// <summary>Weight of the classifier's score.</summary>
    public double ClassifierWeight { get; init; } = 0.6;

    /// <summary>Weight of <see cref="HeuristicQualityScorer"/>, which reads English.</summary>
    public double HeuristicWeight { get; init; } = 0.2;

    /// <summary>Weight of <see cref="Readability.Score"/>; of texts in English, or of no identified language.</summary>
    public double ReadabilityWeight { get; init; } = 0.1;

    /// <summary>Weight of <see cref="Reputation"/>.</summary>
    public double ReputationWeight { get; init; } = 0.1;

    /// <summary>What the recipe says of its sources.</summary>
    public Reputation Reputation { get; init; } = new();

    /// <summary>Least quality of a document, in [0, 1]; null drops none.</summary>
    public double? MinimumQuality { get; init; }

    /// <summary>Least score of a paragraph by the classifier, in [0, 1]; paragraphs below it are taken out. Null takes none.</summary>
    public double? MinimumParagraphScore { get; init; }

    /// <summary>Fewest words and symbols of a paragraph that is judged, at least 1.</summary>
    public int FewestParagraphWords { get; init; } = 20;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public LearnedQualityOptions Validate()
    {
        const string stage = LearnedQuality.StageName;
        foreach (var (field, weight) in new[]
            { ("classifier_weight", ClassifierWeight), ("heuristic_weight", HeuristicWeight), ("readability_weight", ReadabilityWeight),
                ("reputation_weight", ReputationWeight) })
        {
            if (!(weight >= 0 && double.IsFinite(weight)))
                throw new UserErrorException(FormattableString.Invariant($"{stage}.{field} is {weight}."), "Give 0 or more.");
        }

        if (ClassifierWeight + HeuristicWeight + ReadabilityWeight + ReputationWeight == 0)
            throw new UserErrorException($"All weights of {stage} are 0.", "Give at least one a weight.");
        Filters.Rule.CheckShare(stage, "minimum_quality", MinimumQuality);
        Filters.Rule.CheckShare(stage, "minimum_paragraph_score", MinimumParagraphScore);
        if (FewestParagraphWords < 1)
            throw new UserErrorException(FormattableString.Invariant($"{stage}.fewest_paragraph_words is {FewestParagraphWords}."),
                "Give at least 1.");
        Reputation.Validate();
        return this;
    }
}

/// <summary>
/// Gives each document its quality (<see cref="Document.Quality"/>, by which <see cref="DecileSelection"/> picks the text of annealing) and
/// keeps its parts as the scores "quality.classifier", "quality.heuristic", "quality.readability", "quality.reputation". Paragraphs are
/// taken out first, and the rest is what is judged.
/// </summary>
/// <param name="options">Weights and limits.</param>
/// <param name="classifier">A model of good text; null leaves its part out.</param>
/// <exception cref="UserErrorException">An option is out of range, or paragraphs are to be judged without a classifier.</exception>
public sealed class LearnedQuality(LearnedQualityOptions? options = null, TextClassifier? classifier = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "quality";

    private static readonly HeuristicQualityScorer s_heuristic = new();

    private readonly LearnedQualityOptions _options = Check((options ?? new()).Validate(), classifier);

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var text = document.Text;
        if (_options.MinimumParagraphScore is { } least && classifier is not null)
        {
            text = Paragraphs.Without(TextView.Of(text), classifier, _options.FewestParagraphWords, score => score < least);
            if (string.IsNullOrWhiteSpace(text))
                return StageOutcome.Dropped(document, new DropReason("no_paragraph_left", null, least));
        }

        var judged = ReferenceEquals(text, document.Text) ? document : document with { Text = text };
        var scores = new List<DocumentScore>(judged.Scores);
        double sum = 0, weights = 0;
        Add("classifier", _options.ClassifierWeight, classifier?.Score(text));
        Add("heuristic", _options.HeuristicWeight, _options.HeuristicWeight > 0 ? s_heuristic.Score(judged) : null);
        var english = judged.Metadata.Language is null or "en";
        Add("readability", _options.ReadabilityWeight, english && _options.ReadabilityWeight > 0 ? Readability.Of(text)?.Score : null);
        Add("reputation", _options.ReputationWeight, _options.Reputation.Of(judged.Metadata));
        var quality = weights == 0 ? 0 : sum / weights;
        return quality < _options.MinimumQuality
            ? StageOutcome.Dropped(document, new DropReason("low_quality", quality, _options.MinimumQuality))
            : StageOutcome.Keep(judged with { Quality = quality, Scores = scores });

        void Add(string part, double weight, double? value)
        {
            if (weight == 0 || value is not { } score)
                return;
            sum += weight * score;
            weights += weight;
            scores.Add(new DocumentScore(StageName + "." + part, score));
        }
    }

    private static LearnedQualityOptions Check(LearnedQualityOptions options, TextClassifier? classifier)
    {
        if (options.MinimumParagraphScore is not null && classifier is null)
            throw new UserErrorException($"{StageName}.minimum_paragraph_score needs a classifier.",
                "Train one with `corpus train-quality` and name its file in the recipe.");
        return options;
    }
}
