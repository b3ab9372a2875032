using Cluster.Core.Errors;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// The one phase that sees all partitions: which documents are copies, then, in its second form, which paragraphs or lines. Works on
/// hashes and signatures sorted outside of memory.
/// </summary>
internal sealed class DuplicatesPhase(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, CorpusResources resources)
{
    public const string Name = "duplicates", UnitName = "unit-duplicates";

    public UnitResult Documents(CancellationToken cancellation)
    {
        ExactReport? exact = null;
        DuplicateReport? near = null;
        if (recipe.Duplicates.Exact)
        {
            exact = ExactResolver.Resolve(
                Files(DocumentSignatures.Exact), Earlier(DocumentSignatures.Exact), folder.Decisions(DocumentSignatures.Exact), Resources(), cancellation);
        }

        if (recipe.Duplicates.Near is { } options)
        {
            near = DuplicateResolver.Resolve(
                Files(DocumentSignatures.Near), Earlier(DocumentSignatures.Near), folder.Decisions(DocumentSignatures.Near), options.MinimumSimilarity, Resources(), cancellation);
        }

        return new UnitResult { Exact = exact, Near = near };
    }

    public UnitResult Units(CancellationToken cancellation) => new()
    {
        Units = ExactResolver.Resolve(Files(UnitHashPhase.Name), [], folder.Decisions(UnitHashPhase.Name), Resources(), cancellation),
    };

    private string[] Files(string kind) => [.. Enumerable.Range(0, plan.Partitions.Count).Select(p => folder.Signatures(kind, p))];

    private List<IReadOnlyList<string>> Earlier(string kind)
    {
        var all = new List<IReadOnlyList<string>>();
        foreach (var path in recipe.Duplicates.Earlier)
        {
            var kept = new CorpusFolder(path).KeptSignatureFolder(kind);
            if (!Directory.Exists(kept))
            {
                throw new UserErrorException(
                    $"The earlier corpus {path} has no signatures of the kind \"{kind}\".", "Build it with duplicates.keep_signatures=true and the same duplicates.");
            }

            all.Add([.. Directory.GetFiles(kept, "*.bin").Order(StringComparer.Ordinal)]);
        }

        return all;
    }

    private ResolverResources Resources()
    {
        Directory.CreateDirectory(folder.Scratch);
        return new ResolverResources { MemoryBytes = resources.MemoryBytes, Workers = resources.Workers, ScratchFolder = folder.Scratch };
    }
}
