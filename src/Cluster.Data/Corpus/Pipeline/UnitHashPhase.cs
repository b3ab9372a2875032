using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>Hashes of the paragraphs or lines of the documents of a partition that stay so far.</summary>
internal sealed class UnitHashPhase(CorpusFolder folder, CurationRecipe recipe)
{
    public const string Name = "units";

    public UnitResult Run(int partition, CancellationToken cancellation)
    {
        using var decisions = new DocumentDecisions(folder, partition, recipe.Duplicates);
        using var hashes = new ExactHashWriter(folder.Signatures(Name, partition), partition, recipe.Duplicates.Units!.Options);
        var index = 0;
        foreach (var document in DocumentFile.Read(folder.Documents(ReadPhase.Name, partition)))
        {
            cancellation.ThrowIfCancellationRequested();
            // A document that goes keeps its index and has no units.
            hashes.Add(decisions.Of(index) is null ? document.Text : "", document.Quality);
            index++;
        }

        hashes.Complete();
        return new UnitResult { Records = index };
    }
}
