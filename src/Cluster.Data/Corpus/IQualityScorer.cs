namespace Cluster.Data.Corpus;

/// <summary>Says how good a text is to learn from. The annealing phase trains on the best decile by this figure.</summary>
public interface IQualityScorer
{
    /// <summary>Name and version, for the report and the data card.</summary>
    string Name { get; }

    /// <summary>A figure in [0, 1], higher is better; a pure function of the text, safe to call from many threads.</summary>
    double Score(string text);
}
