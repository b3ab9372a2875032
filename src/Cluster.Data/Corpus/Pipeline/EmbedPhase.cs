using System.Diagnostics;
using System.Text;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// Embeddings of the documents of a partition, with their buckets. A function of the documents and the model, whose copy each unit opens
/// and closes: most of its memory is the model, once for each unit at work.
/// </summary>
internal sealed class EmbedPhase(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, CorpusResources resources)
{
    public const string Name = "embed";

    public UnitResult Run(int partition, CancellationToken cancellation)
    {
        var (duplicates, model) = (recipe.Duplicates, plan.Embeddings!);
        using var embedder = resources.RequireEmbeddings().Open(folder.EmbeddingModel, model);
        using var copies = duplicates.Exact
            ? new DecisionReader(DecisionReader.PathOf(folder.Decisions(DocumentSignatures.Exact), partition))
            : null;
        using var vectors = new VectorSignatureWriter(
            folder.Signatures(DocumentSignatures.Embeddings, partition), partition, duplicates.Embeddings!.Planes(model));
        var index = 0;
        foreach (var document in DocumentFile.Read(folder.Documents(ReadPhase.Name, partition)))
        {
            cancellation.ThrowIfCancellationRequested();
            var start = Stopwatch.GetTimestamp();
            // A copy goes whatever is near it, and the text that stays has its vector: to compute it again would find nothing more.
            if (copies?.Of(index) is { Count: > 0 })
            {
                vectors.Add([], document.Text.Length, document.Quality);
            }
            else
            {
                vectors.Add(embedder.Embed(document.Text, cancellation), document.Text.Length, document.Quality);
                resources.Times?.Add(Name, Stopwatch.GetTimestamp() - start, Encoding.UTF8.GetByteCount(document.Text));
            }

            index++;
        }

        vectors.Complete();
        return new UnitResult { Records = index };
    }
}

/// <summary>The embeddings of a partition's documents that stay, for later corpora: those that they were compared by.</summary>
internal sealed class KeptVectors : IDisposable
{
    private readonly PartitionSet _set;
    private readonly SignatureFile.Reader _all;
    private readonly VectorSignatureWriter _kept;

    public KeptVectors(CorpusFolder folder, int partition, DuplicatesRecipe recipe, CorpusPlan plan)
    {
        const string kind = DocumentSignatures.Embeddings;
        _set = new PartitionSet(SignatureFile.Magic, [folder.Signatures(kind, partition)], []);
        _all = new SignatureFile.Reader(_set.Files[0]);
        _kept = new VectorSignatureWriter(
            DocumentSignatures.PathOf(folder.KeptSignatureFolder(kind), partition), partition, recipe.Embeddings!.Planes(plan.Embeddings!));
    }

    /// <param name="index">The document's place among all of the partition.</param>
    /// <param name="document">As it stays.</param>
    public void Add(int index, Document document) => _kept.Add(_all, index, document.Text.Length, document.Quality);

    public void Complete() => _kept.Complete();

    public void Dispose()
    {
        _kept.Dispose();
        _set.Dispose();
    }
}
