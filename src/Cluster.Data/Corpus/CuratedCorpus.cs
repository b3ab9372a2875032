using Cluster.Data.Dialogues;

namespace Cluster.Data.Corpus;

/// <summary>A corpus ready for the tokenizer.</summary>
public sealed record CuratedCorpus
{
    /// <summary>Training documents.</summary>
    public required IReadOnlyList<Document> Train { get; init; }

    /// <summary>
    /// The best decile of the training documents: the highest scores (of equal ones the earlier document) until a tenth of the training
    /// text in bytes is reached, in the corpus's order.
    /// </summary>
    public required IReadOnlyList<Document> TrainBest { get; init; }

    /// <summary>Validation documents.</summary>
    public required IReadOnlyList<Document> Validation { get; init; }

    /// <summary>Test documents.</summary>
    public required IReadOnlyList<Document> Test { get; init; }

    /// <summary>Dialogues of the training part.</summary>
    public required IReadOnlyList<Conversation> TrainDialogues { get; init; }

    /// <summary>Dialogues of the validation part.</summary>
    public required IReadOnlyList<Conversation> ValidationDialogues { get; init; }

    /// <summary>Dialogues of the test part.</summary>
    public required IReadOnlyList<Conversation> TestDialogues { get; init; }

    /// <summary>What curation did.</summary>
    public required CorpusReport Report { get; init; }

    /// <summary>SHA-256 over all of the above but the report, in lower-case hexadecimal.</summary>
    public required string ContentSha256 { get; init; }
}
