using Cluster.Data.Corpus.Quality;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>A stage that reads a model from a file; the corpus keeps a copy of it, so that all workers and a later call use the same.</summary>
internal interface IModelStage
{
    /// <summary>The file, or null for none.</summary>
    string? Classifier { get; }
}

/// <summary>The parameters of <see cref="LearnedQuality"/> in a recipe.</summary>
public sealed record QualityStageRecipe : IModelStage
{
    /// <summary>What <c>corpus train-quality</c> wrote; null leaves that part of the quality out.</summary>
    public string? Classifier { get; init; }

    /// <summary>Weights and limits.</summary>
    public LearnedQualityOptions Options { get; init; } = new();
}

/// <summary>The parameters of <see cref="Toxicity"/> in a recipe.</summary>
public sealed record ToxicityStageRecipe : IModelStage
{
    /// <summary>What <c>corpus train-toxicity</c> wrote.</summary>
    public string Classifier { get; init; } = "";

    /// <summary>Limits.</summary>
    public ToxicityOptions Options { get; init; } = new();

    /// <summary>Its name in scores and provenance, for several of them.</summary>
    public string Name { get; init; } = Toxicity.StageName;

    string? IModelStage.Classifier => Classifier;
}
