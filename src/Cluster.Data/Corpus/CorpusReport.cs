namespace Cluster.Data.Corpus;

/// <summary>Documents, text and dialogues of one split.</summary>
/// <param name="Documents">Number of documents.</param>
/// <param name="Bytes">Their text in UTF-8.</param>
/// <param name="Conversations">Number of dialogues.</param>
public sealed record SplitFigures(int Documents, long Bytes, int Conversations);

/// <summary>
/// What curation did, for the run's report and data card. Plain values only: System.Text.Json writes and reads it as it is, and it is
/// equal for equal input, so it holds no times.
/// </summary>
public sealed record CorpusReport
{
    /// <summary>"dotnet-reference" or "folder".</summary>
    public required string Source { get; init; }

    /// <summary>Packs with version, or empty for a folder.</summary>
    public required IReadOnlyList<string> Packs { get; init; }

    /// <summary>Files read.</summary>
    public required int Files { get; init; }

    /// <summary>Size of the files.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Text kept, in UTF-8.</summary>
    public required long BytesOut { get; init; }

    /// <summary>Members or documents read.</summary>
    public required long ItemsIn { get; init; }

    /// <summary>Members or documents kept.</summary>
    public required long ItemsKept { get; init; }

    /// <summary>Members or documents dropped, by reason.</summary>
    public required IReadOnlyDictionary<string, long> Dropped { get; init; }

    /// <summary>Exact duplicates removed.</summary>
    public required long Duplicates { get; init; }

    /// <summary>Invalid UTF-8 sequences replaced by U+FFFD.</summary>
    public required long InvalidSequences { get; init; }

    /// <summary>How held-out text was chosen.</summary>
    public required SplitMode SplitMode { get; init; }

    /// <summary>The same in a sentence for the reader.</summary>
    public required string SplitNote { get; init; }

    /// <summary>Training part.</summary>
    public required SplitFigures Train { get; init; }

    /// <summary>The best decile of the training part; its conversations are those of the training part and not counted again.</summary>
    public required SplitFigures TrainBest { get; init; }

    /// <summary>Validation part.</summary>
    public required SplitFigures Validation { get; init; }

    /// <summary>Test part.</summary>
    public required SplitFigures Test { get; init; }

    /// <summary>13-grams of validation and test text that training text has too.</summary>
    public required OverlapFigure Overlap { get; init; }

    /// <summary>The scorer of the best decile.</summary>
    public required string QualityScorer { get; init; }
}
