using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Quality;

/// <summary>What <see cref="Toxicity"/> does about a score.</summary>
public sealed record ToxicityOptions
{
    /// <summary>Greatest score of a document, in [0, 1]; null drops none and keeps the score.</summary>
    public double? MaximumScore { get; init; } = 0.5;

    /// <summary>Greatest score of a paragraph, in [0, 1]; paragraphs above it are taken out. Null takes none.</summary>
    public double? MaximumParagraphScore { get; init; }

    /// <summary>Fewest words and symbols of a paragraph that is judged, at least 1.</summary>
    public int FewestParagraphWords { get; init; } = 20;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public ToxicityOptions Validate()
    {
        Filters.Rule.CheckShare(Toxicity.StageName, "maximum_score", MaximumScore);
        Filters.Rule.CheckShare(Toxicity.StageName, "maximum_paragraph_score", MaximumParagraphScore);
        if (FewestParagraphWords < 1)
            throw new UserErrorException(FormattableString.Invariant($"{Toxicity.StageName}.fewest_paragraph_words is {FewestParagraphWords}."), "Give at least 1.");
        return this;
    }
}

/// <summary>
/// Drops documents, or takes out paragraphs, that a classifier holds for harmful, and keeps the score under the stage's name. No classifier
/// and no list of words comes with this program: what is harmful is the user's to say, by examples (<c>corpus train-toxicity</c>). A
/// second stage under another name, with another classifier, watches over another kind (adult content).
/// </summary>
/// <param name="classifier">A model of harmful text.</param>
/// <param name="options">Limits.</param>
/// <param name="name">The name in recipes and scores, in kebab-case.</param>
/// <exception cref="UserErrorException">An option is out of range.</exception>
public sealed class Toxicity(TextClassifier classifier, ToxicityOptions? options = null, string name = Toxicity.StageName) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "toxicity";

    private readonly ToxicityOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var text = document.Text;
        if (_options.MaximumParagraphScore is { } most)
        {
            text = Paragraphs.Without(TextView.Of(text), classifier, _options.FewestParagraphWords, score => score > most);
            if (string.IsNullOrWhiteSpace(text))
                return StageOutcome.Dropped(document, new DropReason("no_paragraph_left", null, most));
        }

        var score = classifier.Score(text);
        if (score > _options.MaximumScore)
            return StageOutcome.Dropped(document, new DropReason("high_score", score, _options.MaximumScore));
        return StageOutcome.Keep(document with { Text = text, Scores = [.. document.Scores, new DocumentScore(name, score)] });
    }
}
