namespace Cluster.Data.Corpus.Recipes;

/// <summary>No parameters: the formula is <see cref="HeuristicQualityScorer"/>'s.</summary>
public sealed record QualityFormulaOptions;

/// <summary>Gives each document the quality of the stated formula; keeps every one.</summary>
/// <param name="scorer">Judges; null for <see cref="HeuristicQualityScorer"/>.</param>
public sealed class QualityFormula(IQualityScorer? scorer = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "quality-formula";

    private readonly IQualityScorer _scorer = scorer ?? new HeuristicQualityScorer();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var quality = _scorer.Score(document);
        return StageOutcome.Keep(document with { Quality = quality, Scores = [.. document.Scores, new DocumentScore("quality.formula", quality)] });
    }
}
