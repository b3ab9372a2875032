using System.Text.Json.Serialization;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>
/// Which copies of a text go. Whole documents are decided first; paragraphs or lines are compared among the documents that stay, so that
/// no text is lost with a document that goes.
/// </summary>
public sealed record DuplicatesRecipe
{
    /// <summary>Whether of documents of equal texts all but one go.</summary>
    public bool Exact { get; init; } = true;

    /// <summary>How nearly equal documents are found; null leaves them.</summary>
    public NearDuplicatesRecipe? Near { get; init; } = new();

    /// <summary>How documents of nearly equal embeddings are found: edits that share few shingles; null leaves them.</summary>
    // Left out where it is null: recipes that never heard of it keep their hashes.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public EmbeddingDuplicatesRecipe? Embeddings { get; init; }

    /// <summary>Whether repeated paragraphs or lines go too; null leaves them.</summary>
    public UnitDuplicatesRecipe? Units { get; init; }

    /// <summary>Folders of earlier corpora, made with <see cref="KeepSignatures"/>: what they hold already goes. The first counts first.</summary>
    public IReadOnlyList<string> Earlier { get; init; } = [];

    /// <summary>Whether the signatures of the documents that stay are kept, for later corpora to be compared with.</summary>
    public bool KeepSignatures { get; init; }

    /// <summary>With another model that embeds; the rest as it is.</summary>
    /// <param name="model">As <see cref="EmbeddingDuplicatesRecipe.Model"/>.</param>
    public DuplicatesRecipe WithModel(string model) =>
        this with { Embeddings = (Embeddings ?? new EmbeddingDuplicatesRecipe()) with { Model = model } };

    internal bool ComparesDocuments => Exact || Near is not null || Embeddings is not null;

    internal void Validate()
    {
        Near?.MinHash.Validate();
        Embeddings?.Validate();
        Units?.Options.Validate();
        if (Near?.MinimumSimilarity is { } similarity && !(similarity is >= 0 and <= 1))
            throw new UserErrorException(FormattableString.Invariant($"duplicates.near.minimum_similarity is {similarity}."), "Give 0 to 1, or null.");
        if (Units is { Level: ExactLevel.Document })
            throw new UserErrorException("duplicates.units.level is document.", "Give paragraph or line; duplicates.exact is for documents.");
    }
}

/// <summary>How near-duplicates are found.</summary>
public sealed record NearDuplicatesRecipe
{
    /// <summary>Shingles and bands.</summary>
    public MinHashOptions MinHash { get; init; } = new();

    /// <summary>Least estimated Jaccard similarity of documents that are joined, 0 to 1; null joins all that share a bucket, as FineWeb did.</summary>
    public double? MinimumSimilarity { get; init; }
}

/// <summary>
/// How documents of nearly equal embeddings are found: those that share a bucket of random hyperplanes are candidates
/// (<see cref="HyperplaneOptions"/>), and of these the ones within the cosine are joined.
/// </summary>
public sealed record EmbeddingDuplicatesRecipe
{
    /// <summary>The folder of a run; its newest weights embed, as <c>/v1/embeddings</c> does. The corpus keeps a copy.</summary>
    public string Model { get; init; } = "";

    /// <summary>Least cosine of documents that are joined, above 0 and at most 1.</summary>
    public double MinimumCosine { get; init; } = 0.99;

    /// <summary>Tables of buckets, 1 to 256.</summary>
    public int Tables { get; init; } = 32;

    /// <summary>Planes per table, 1 to 64.</summary>
    public int Bits { get; init; } = 16;

    /// <summary>Chooses the planes.</summary>
    public ulong Seed { get; init; } = 1;

    internal HyperplaneOptions Planes(EmbeddingModel model) =>
        new() { Dimensions = model.Dimensions, Tables = Tables, Bits = Bits, Seed = Seed, Model = model.Sha256 };

    internal void Validate()
    {
        if (Model.Length == 0)
            throw new UserErrorException("duplicates.embeddings.model is empty.", "Give the folder of a run.");
        if (!(MinimumCosine is > 0 and <= 1))
            throw new UserErrorException(
                FormattableString.Invariant($"duplicates.embeddings.minimum_cosine is {MinimumCosine}."), "Give a number above 0 and at most 1.");
        try
        {
            Planes(new EmbeddingModel("", 1)).Validate();
        }
        catch (UserErrorException error)
        {
            throw new UserErrorException($"duplicates.embeddings.{error.What}", error.Remedy, error);
        }
    }
}

/// <summary>Which repeated parts of documents go.</summary>
public sealed record UnitDuplicatesRecipe
{
    /// <summary>Paragraphs or lines.</summary>
    public ExactLevel Level { get; init; } = ExactLevel.Paragraph;

    /// <summary>Shorter ones always stay, 1 or more.</summary>
    public int MinimumCharacters { get; init; } = 32;

    /// <summary>Fewest visible characters that a document must keep; one that keeps fewer goes, 1 or more.</summary>
    public int MinimumLeft { get; init; } = 80;

    internal ExactOptions Options => new() { Level = Level, MinimumCharacters = MinimumCharacters };
}
