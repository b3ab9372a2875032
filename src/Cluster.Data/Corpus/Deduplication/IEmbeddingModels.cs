namespace Cluster.Data.Corpus.Deduplication;

/// <summary>A model that turns texts into vectors, as a corpus holds it.</summary>
/// <param name="Sha256">Names what it computes: on equal processors and builds, equal hashes give equal vectors to the last bit.</param>
/// <param name="Dimensions">Components of a vector.</param>
public sealed record EmbeddingModel(string Sha256, int Dimensions);

/// <summary>Models that turn texts into vectors. Whoever hosts a build supplies them: curation knows no model.</summary>
public interface IEmbeddingModels
{
    /// <summary>Copies a model, so that a build depends on its own folder and what is in it.</summary>
    /// <param name="model">As a recipe names it.</param>
    /// <param name="folder">Where the copy goes; what is there already is replaced.</param>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">There is no such model, or it cannot be copied.</exception>
    EmbeddingModel Copy(string model, string folder);

    /// <summary>Opens a copy; the caller's to dispose of.</summary>
    /// <param name="folder">As for <see cref="Copy"/>.</param>
    /// <param name="model">What <see cref="Copy"/> said.</param>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">It is missing, damaged, or another one.</exception>
    ITextEmbedder Open(string folder, EmbeddingModel model);
}

/// <summary>An open model. One thread at a time.</summary>
public interface ITextEmbedder : IDisposable
{
    /// <summary>The vector of a text, of any length above 0; empty for a text without tokens. A function of model and text.</summary>
    /// <param name="text">The text, of any length.</param>
    /// <param name="cancellation">Ends it early.</param>
    float[] Embed(string text, CancellationToken cancellation = default);
}
