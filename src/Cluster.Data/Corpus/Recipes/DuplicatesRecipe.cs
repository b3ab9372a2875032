namespace Cluster.Data.Corpus.Recipes;

/// <summary>Which copies of a text go.</summary>
public sealed record DuplicatesRecipe
{
    /// <summary>Whether documents of equal texts go but for the best.</summary>
    public bool Exact { get; init; } = true;

    /// <summary>Whether nearly equal documents go, and how they are found; null leaves them.</summary>
    public object? Near { get; init; }

    internal void Validate()
    {
    }
}
