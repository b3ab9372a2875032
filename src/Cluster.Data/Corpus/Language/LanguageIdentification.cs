using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Language;

/// <summary>Which languages a corpus is in.</summary>
public sealed record LanguageOptions
{
    /// <summary>ISO 639-1 codes to keep; empty keeps all.</summary>
    public IReadOnlyList<string> Languages { get; init; } = ["en"];

    /// <summary>Least probability of the identified language, in [0, 1]. FineWeb (Penedo et al. 2024) and CCNet (Wenzek et al. 2020) use
    /// 0.65 and 0.5.</summary>
    public double MinimumProbability { get; init; } = 0.65;

    /// <summary>Keep a document of which no language can be told (code without words, a table of numbers).</summary>
    public bool KeepUndetermined { get; init; }

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public LanguageOptions Validate(LanguageModel model)
    {
        if (!(MinimumProbability is >= 0 and <= 1))
            throw new UserErrorException(FormattableString.Invariant($"{LanguageIdentification.StageName}.minimum_probability is {MinimumProbability}."), "Give 0 to 1.");
        foreach (var language in Languages)
        {
            if (!model.Known.Contains(language))
            {
                throw new UserErrorException(
                    $"{LanguageIdentification.StageName}.languages has \"{language}\", which the model does not know.",
                    $"Give some of {string.Join(", ", model.Known.Order(StringComparer.Ordinal))}, or none for all.");
            }
        }

        return this;
    }
}

/// <summary>
/// Identifies the language, writes it into <see cref="DocumentMetadata.Language"/> and its probability into the scores as
/// "language.probability", and drops other languages. What the source declares is replaced: declarations of the web are often wrong.
/// </summary>
/// <param name="options">Which languages.</param>
/// <param name="model">Null for <see cref="LanguageModel.Shipped"/>.</param>
/// <exception cref="UserErrorException">An option is out of range.</exception>
public sealed class LanguageIdentification(LanguageOptions? options = null, LanguageModel? model = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "language";

    private readonly LanguageModel _model = model ?? LanguageModel.Shipped;
    private readonly LanguageOptions _options = (options ?? new()).Validate(model ?? LanguageModel.Shipped);

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var (code, probability) = _model.Identify(document.Text);
        if (code == LanguageGuess.Undetermined)
            return _options.KeepUndetermined ? StageOutcome.Keep(document) : StageOutcome.Dropped(document, new DropReason("undetermined"));
        if (_options.Languages.Count > 0 && !_options.Languages.Contains(code, StringComparer.Ordinal))
            return StageOutcome.Dropped(document, new DropReason("language_" + code, probability));
        if (probability < _options.MinimumProbability)
            return StageOutcome.Dropped(document, new DropReason("uncertain", probability, _options.MinimumProbability));
        return StageOutcome.Keep(document with
        {
            Metadata = document.Metadata with { Language = code },
            Scores = [.. document.Scores, new DocumentScore(StageName + ".probability", probability)],
        });
    }
}
