namespace Cluster.Data.Corpus;

/// <summary>
/// How good a text is to learn from. A pure function of the document: the same score on every machine and thread. The heuristic one
/// is <see cref="HeuristicQualityScorer"/>; a trained one implements the same interface.
/// </summary>
public interface IQualityScorer
{
    /// <summary>Names the scorer and its version in reports.</summary>
    string Name { get; }

    /// <summary>A score in [0, 1], higher is better. Called from several threads at a time.</summary>
    double Score(Document document);
}
