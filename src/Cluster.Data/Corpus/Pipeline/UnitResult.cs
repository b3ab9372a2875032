using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Mixing;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>What a phase says of a unit that it finished: the content of its marker. No clocks, no machine: equal work gives equal bytes.</summary>
public sealed record UnitResult
{
    /// <summary>Counts of the unit.</summary>
    public CorpusStatistics Statistics { get; init; } = new();

    /// <summary>SHA-256 of the unit's part of the corpus, before compression; null of phases that write none.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Records of that part.</summary>
    public long Records { get; init; }

    /// <summary>Bytes of that part, before compression.</summary>
    public long Bytes { get; init; }

    /// <summary>Some of what could not be read.</summary>
    public IReadOnlyList<string> Examples { get; init; } = [];

    /// <summary>What a partition has of each domain of the mix.</summary>
    public IReadOnlyDictionary<string, DomainSize>? Domains { get; init; }

    /// <summary>What was found among equal documents.</summary>
    public ExactReport? Exact { get; init; }

    /// <summary>What was found among near-duplicates.</summary>
    public DuplicateReport? Near { get; init; }

    /// <summary>What embeddings found beyond that.</summary>
    public DuplicateReport? Embeddings { get; init; }

    /// <summary>What was found among paragraphs or lines.</summary>
    public ExactReport? Units { get; init; }

    /// <summary>The tokenizer that was learnt.</summary>
    public TokenizerSummary? Tokenizer { get; init; }
}
