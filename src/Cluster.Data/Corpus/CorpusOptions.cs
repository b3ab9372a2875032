namespace Cluster.Data.Corpus;

/// <summary>What to curate and how.</summary>
public sealed record CorpusOptions
{
    /// <summary>A folder or file of text, or null for the .NET reference documentation of this machine.</summary>
    public string? Path { get; init; }

    /// <summary>Folders to look for reference packs in, or null for <see cref="DotnetSdk.Candidates"/>.</summary>
    public IReadOnlyList<string>? SdkRoots { get; init; }

    /// <summary>The run's seed; only the phrasing of dialogues depends on it.</summary>
    public ulong Seed { get; init; }

    /// <summary>Shares of the splits.</summary>
    public SplitFractions Fractions { get; init; } = new();

    /// <summary>Threads, at least 1. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Scores documents for the best decile.</summary>
    public IQualityScorer Scorer { get; init; } = new HeuristicQualityScorer();
}
