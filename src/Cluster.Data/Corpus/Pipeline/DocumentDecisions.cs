using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>What was decided on the documents of a partition, asked in order.</summary>
internal sealed class DocumentDecisions : IDisposable
{
    private readonly DecisionReader? _exact, _near, _embeddings;

    public DocumentDecisions(CorpusFolder folder, int partition, DuplicatesRecipe recipe)
    {
        _exact = recipe.Exact ? new DecisionReader(DecisionReader.PathOf(folder.Decisions(DocumentSignatures.Exact), partition)) : null;
        _near = recipe.Near is not null ? new DecisionReader(DecisionReader.PathOf(folder.Decisions(DocumentSignatures.Near), partition)) : null;
        _embeddings = recipe.Embeddings is not null
            ? new DecisionReader(DecisionReader.PathOf(folder.Decisions(DocumentSignatures.Embeddings), partition))
            : null;
    }

    /// <summary>Rules by which documents go.</summary>
    public const string ExactRule = "exact_duplicate", NearRule = "near_duplicate", EmbeddingRule = "embedding_duplicate";

    /// <summary>The rule by which the document goes and the decision, or null if it stays.</summary>
    public (string Rule, DuplicateDecision Decision)? Of(int index) =>
        _exact?.Of(index) is { Count: > 0 } exact ? (ExactRule, exact[0])
        : _near?.Of(index) is { Count: > 0 } near ? (NearRule, near[0])
        : _embeddings?.Of(index) is { Count: > 0 } embeddings ? (EmbeddingRule, embeddings[0])
        : null;

    public void Dispose()
    {
        _exact?.Dispose();
        _near?.Dispose();
        _embeddings?.Dispose();
    }
}
