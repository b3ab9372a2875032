using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Mixing;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>A finished corpus in figures: <c>corpus.json</c>. A function of recipe and data.</summary>
public sealed record CorpusSummary
{
    /// <summary>The corpus' name.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the recipe's canonical form.</summary>
    public required string RecipeSha256 { get; init; }

    /// <summary>SHA-256 over the digests of the shards, in order: equal hashes mean equal corpora.</summary>
    public required string CorpusSha256 { get; init; }

    /// <summary>Documents in the shards, repeats counted.</summary>
    public required long Documents { get; init; }

    /// <summary>Bytes of the shards before compression.</summary>
    public required long Bytes { get; init; }

    /// <summary>Partitions.</summary>
    public required int Partitions { get; init; }

    /// <summary>What was read.</summary>
    public required IReadOnlyList<SourceSummary> Sources { get; init; }

    /// <summary>The funnel and the histograms.</summary>
    public required CorpusStatistics Statistics { get; init; }

    /// <summary>The larger of the shares of items and of bytes that could not be read.</summary>
    public required double FailedShare { get; init; }

    /// <summary>Some of what could not be read.</summary>
    public required IReadOnlyList<string> FailureExamples { get; init; }

    /// <summary>What was found among equal documents; null if it was not looked for.</summary>
    public ExactReport? Exact { get; init; }

    /// <summary>What was found among near-duplicates; null if it was not looked for.</summary>
    public DuplicateReport? Near { get; init; }

    /// <summary>What embeddings found beyond that; null if they were not looked at.</summary>
    public DuplicateReport? Embeddings { get; init; }

    /// <summary>The model that embedded.</summary>
    public EmbeddingModel? EmbeddingModel { get; init; }

    /// <summary>What was found among paragraphs or lines; null if it was not looked for.</summary>
    public ExactReport? Units { get; init; }

    /// <summary>How much of each evaluation set the sources have; null if it was not looked for.</summary>
    public IReadOnlyList<SetContamination>? Contamination { get; init; }

    /// <summary>What the mix asked for and what it got; null without one.</summary>
    public IReadOnlyList<MixedDomain>? Mix { get; init; }

    /// <summary>The tokenizer that was learnt with it; null if the recipe asks for none.</summary>
    public TokenizerSummary? Tokenizer { get; init; }

    /// <summary>The summary of a finished corpus, or null.</summary>
    public static CorpusSummary? Load(CorpusFolder folder) =>
        File.Exists(folder.Summary) ? RunJson.Parse<CorpusSummary>(File.ReadAllText(folder.Summary), folder.Summary) : null;

    /// <summary>The summary of a corpus that has to be finished.</summary>
    /// <exception cref="UserErrorException">It is not.</exception>
    public static CorpusSummary Require(CorpusFolder folder) => Load(folder)
        ?? throw new UserErrorException($"{folder.Root} holds no finished corpus.", "Finish it: corpus build with the same recipe and --out.");
}

/// <summary>A source in figures.</summary>
/// <param name="Name">In the recipe.</param>
/// <param name="Description">One phrase.</param>
/// <param name="Files">Files that were found.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Failures">What could not be had.</param>
/// <param name="PassedOver">What was left out on purpose, by reason.</param>
public sealed record SourceSummary(string Name, string Description, int Files, long Bytes, int Failures, IReadOnlyDictionary<string, long> PassedOver);
