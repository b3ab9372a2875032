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
    public const string Name = "duplicates", ExactName = "exact-duplicates", UnitName = "unit-duplicates";

    /// <summary>Names of the phases before: by ranges of hashes, and by bands.</summary>
    public const string RangeName = "exact-ranges", BandName = "near-bands", EmbeddingBandName = "embedding-bands",
        UnitRangeName = "unit-ranges";

    // Each range reads all hashes, which are few bytes beside the texts they are of.
    private const int MostRanges = 8;

    /// <summary>The phases that decide on documents.</summary>
    public static IEnumerable<CorpusPhase> Of(DuplicatesRecipe duplicates, int partitions) =>
    [
        .. duplicates.Exact ? (CorpusPhase[])[new CorpusPhase(RangeName, Ranges(partitions)), new CorpusPhase(ExactName, 1)] : [],
        .. duplicates.Near is { } near ? (CorpusPhase[])[new CorpusPhase(BandName, near.MinHash.Bands)] : [],
        .. duplicates.Embeddings is { } embeddings
            ? (CorpusPhase[])[new CorpusPhase(EmbedPhase.Name, partitions), new CorpusPhase(EmbeddingBandName, embeddings.Tables)] : [],
        new CorpusPhase(Name, 1),
    ];

    /// <summary>The phases that decide on paragraphs or lines.</summary>
    public static IEnumerable<CorpusPhase> OfUnits(int partitions) => [new CorpusPhase(UnitRangeName, Ranges(partitions)), new CorpusPhase(UnitName, 1)];

    /// <summary>Refuses earlier corpora whose vectors say nothing beside the model's, before anything is read.</summary>
    /// <exception cref="UserErrorException">One has none, or those of another model or of other planes.</exception>
    public static void CheckEarlier(DuplicatesRecipe duplicates, EmbeddingModel model)
    {
        var scheme = duplicates.Embeddings!.Planes(model).FileScheme;
        foreach (var path in Earlier(duplicates, DocumentSignatures.Embeddings).SelectMany(files => files))
        {
            var (handle, header) = PartitionFile.Open(path, SignatureFile.Magic);
            handle.Dispose();
            if (header.Scheme != scheme)
            {
                throw new UserErrorException(
                    $"The earlier corpus' {path} was made by \"{header.Scheme}\", what is compared with it would be by \"{scheme}\".",
                    "Give duplicates.embeddings of the earlier corpus, with its model as it was, or leave one of the two out.");
            }
        }
    }

    /// <summary>Equal documents of a range of hashes.</summary>
    public UnitResult Range(int range, CancellationToken cancellation) => Range(RangeName, DocumentSignatures.Exact, range, cancellation);

    /// <summary>Equal paragraphs or lines of a range of hashes.</summary>
    public UnitResult UnitRange(int range, CancellationToken cancellation) => Range(UnitRangeName, UnitHashPhase.Name, range, cancellation);

    /// <summary>Decides on equal documents.</summary>
    public UnitResult Exact(IReadOnlyList<UnitResult> ranges) => new() { Exact = Join(RangeName, DocumentSignatures.Exact, ranges) };

    /// <summary>Nearly equal documents of a band.</summary>
    public UnitResult Band(int band, CancellationToken cancellation) =>
        Band(BandName, DocumentSignatures.Near, recipe.Duplicates.Near!.MinimumSimilarity, band, cancellation);

    /// <summary>Documents of nearly equal embeddings of a table.</summary>
    public UnitResult EmbeddingBand(int table, CancellationToken cancellation) =>
        Band(EmbeddingBandName, DocumentSignatures.Embeddings, recipe.Duplicates.Embeddings!.MinimumCosine, table, cancellation);

    /// <summary>Decides on nearly equal documents.</summary>
    /// <param name="bands">What the bands say.</param>
    /// <param name="tables">What the tables of embeddings say.</param>
    /// <param name="cancellation">Ends it early.</param>
    public UnitResult Documents(IReadOnlyList<UnitResult> bands, IReadOnlyList<UnitResult> tables, CancellationToken cancellation)
    {
        List<ComparedDocuments> kinds = [];
        if (recipe.Duplicates.Near is not null)
            kinds.Add(Compared(BandName, DocumentSignatures.Near, bands));
        if (recipe.Duplicates.Embeddings is not null)
            kinds.Add(Compared(EmbeddingBandName, DocumentSignatures.Embeddings, tables));
        var reports = kinds.Count == 0 ? [] : DuplicateResolver.Join(kinds, Resources(), cancellation);
        return new UnitResult
        {
            Near = recipe.Duplicates.Near is null ? null : reports[0],
            Embeddings = recipe.Duplicates.Embeddings is null ? null : reports[^1],
        };
    }

    /// <summary>Decides on paragraphs or lines.</summary>
    public UnitResult Units(IReadOnlyList<UnitResult> ranges) => new() { Units = Join(UnitRangeName, UnitHashPhase.Name, ranges) };

    private static int Ranges(int partitions) => Math.Clamp(partitions, 1, MostRanges);

    private UnitResult Band(string phase, string kind, double? minimum, int band, CancellationToken cancellation) => new()
    {
        Records = DuplicateResolver.Band(
            Files(kind), Earlier(recipe.Duplicates, kind), minimum, band, folder.Found(phase, band), Resources(), cancellation),
    };

    private ComparedDocuments Compared(string phase, string kind, IReadOnlyList<UnitResult> bands) => new(
        Files(kind), Earlier(recipe.Duplicates, kind), [.. Enumerable.Range(0, bands.Count).Select(band => folder.Found(phase, band))],
        bands[0].Records, folder.Decisions(kind));

    private UnitResult Range(string phase, string kind, int range, CancellationToken cancellation) => new()
    {
        Exact = ExactResolver.Range(Files(kind), Compared(kind), range, Ranges(plan.Partitions.Count), folder.Found(phase, range), Resources(), cancellation),
    };

    private ExactReport Join(string phase, string kind, IReadOnlyList<UnitResult> ranges) => ExactResolver.Join(
        Files(kind), Compared(kind), [.. Enumerable.Range(0, ranges.Count).Select(range => folder.Found(phase, range))], [.. ranges.Select(range => range.Exact!)],
        folder.Decisions(kind), Resources());

    /// <summary>Earlier corpora keep hashes of documents, not of their parts.</summary>
    private List<IReadOnlyList<string>> Compared(string kind) => kind == DocumentSignatures.Exact ? Earlier(recipe.Duplicates, kind) : [];

    private string[] Files(string kind) => [.. Enumerable.Range(0, plan.Partitions.Count).Select(p => folder.Signatures(kind, p))];

    private static List<IReadOnlyList<string>> Earlier(DuplicatesRecipe duplicates, string kind)
    {
        var all = new List<IReadOnlyList<string>>();
        foreach (var path in duplicates.Earlier)
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
