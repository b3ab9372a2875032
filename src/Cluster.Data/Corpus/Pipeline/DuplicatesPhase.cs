using Cluster.Core.Errors;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// What sees all partitions: which documents are copies, then, in its second form, which paragraphs or lines. Works on hashes and
/// signatures sorted outside of memory. Most of it is cut into units that are independent of each other, ranges of hashes and bands of
/// signatures; one unit joins what they found. The cut is a function of the plan and the recipe.
/// </summary>
internal sealed class DuplicatesPhase(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, CorpusResources resources)
{
    public const string Name = "duplicates", UnitName = "unit-duplicates";

    /// <summary>Names of the phases before: by ranges of hashes, and by bands.</summary>
    public const string RangeName = "exact-ranges", BandName = "near-bands", UnitRangeName = "unit-ranges";

    // Each range reads all hashes, which are few bytes beside the texts they are of.
    private const int MostRanges = 8;

    /// <summary>The phases that decide on documents.</summary>
    public static IEnumerable<CorpusPhase> Of(DuplicatesRecipe duplicates, int partitions) =>
    [
        .. duplicates.Exact ? (CorpusPhase[])[new CorpusPhase(RangeName, Ranges(partitions))] : [],
        .. duplicates.Near is { } near ? (CorpusPhase[])[new CorpusPhase(BandName, near.MinHash.Bands)] : [],
        new CorpusPhase(Name, 1),
    ];

    /// <summary>The phases that decide on paragraphs or lines.</summary>
    public static IEnumerable<CorpusPhase> OfUnits(int partitions) => [new CorpusPhase(UnitRangeName, Ranges(partitions)), new CorpusPhase(UnitName, 1)];

    /// <summary>Equal documents of a range of hashes.</summary>
    public UnitResult Range(int range, CancellationToken cancellation) => Range(RangeName, DocumentSignatures.Exact, range, cancellation);

    /// <summary>Equal paragraphs or lines of a range of hashes.</summary>
    public UnitResult UnitRange(int range, CancellationToken cancellation) => Range(UnitRangeName, UnitHashPhase.Name, range, cancellation);

    /// <summary>Nearly equal documents of a band.</summary>
    public UnitResult Band(int band, CancellationToken cancellation) => new()
    {
        Records = DuplicateResolver.Band(
            Files(DocumentSignatures.Near), Earlier(DocumentSignatures.Near), recipe.Duplicates.Near!.MinimumSimilarity, band, folder.Found(BandName, band), Resources(), cancellation),
    };

    /// <summary>Decides on documents.</summary>
    /// <param name="ranges">What the ranges say.</param>
    /// <param name="bands">What the bands say.</param>
    /// <param name="cancellation">Ends it early.</param>
    public UnitResult Documents(IReadOnlyList<UnitResult> ranges, IReadOnlyList<UnitResult> bands, CancellationToken cancellation)
    {
        var (exact, near) = ((ExactReport?)null, (DuplicateReport?)null);
        if (recipe.Duplicates.Exact)
            exact = Join(RangeName, DocumentSignatures.Exact, ranges);
        if (recipe.Duplicates.Near is { } options)
        {
            near = DuplicateResolver.Join(
                Files(DocumentSignatures.Near), Earlier(DocumentSignatures.Near), options.MinimumSimilarity, [.. Enumerable.Range(0, bands.Count).Select(band => folder.Found(BandName, band))],
                bands[0].Records, folder.Decisions(DocumentSignatures.Near), Resources(), cancellation);
        }

        return new UnitResult { Exact = exact, Near = near };
    }

    /// <summary>Decides on paragraphs or lines.</summary>
    public UnitResult Units(IReadOnlyList<UnitResult> ranges) => new() { Units = Join(UnitRangeName, UnitHashPhase.Name, ranges) };

    private static int Ranges(int partitions) => Math.Clamp(partitions, 1, MostRanges);

    private UnitResult Range(string phase, string kind, int range, CancellationToken cancellation) => new()
    {
        Exact = ExactResolver.Range(Files(kind), Compared(kind), range, Ranges(plan.Partitions.Count), folder.Found(phase, range), Resources(), cancellation),
    };

    private ExactReport Join(string phase, string kind, IReadOnlyList<UnitResult> ranges) => ExactResolver.Join(
        Files(kind), Compared(kind), [.. Enumerable.Range(0, ranges.Count).Select(range => folder.Found(phase, range))], [.. ranges.Select(range => range.Exact!)],
        folder.Decisions(kind), Resources());

    /// <summary>Earlier corpora keep hashes of documents, not of their parts.</summary>
    private List<IReadOnlyList<string>> Compared(string kind) => kind == DocumentSignatures.Exact ? Earlier(kind) : [];

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
