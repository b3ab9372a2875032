namespace Cluster.Data.Corpus;

/// <summary>One text of the corpus. Immutable; the stages hand on changed copies.</summary>
/// <param name="Id">Unique within the corpus and stable between runs and machines: it names the text, not where it was found.</param>
/// <param name="Text">The text; after curation in NFC with LF line ends.</param>
/// <param name="Group">Texts of one group are never split between training and held-out parts (the outermost type of reference
/// documentation, the file or record of a folder).</param>
/// <param name="Source">Where it was read, for reports only.</param>
/// <param name="Quality">In [0, 1]; 0 until a scorer has seen it.</param>
/// <param name="Title">A heading by which a person would ask for it, if there is one.</param>
public sealed record Document(string Id, string Text, string Group, string Source, double Quality = 0, string? Title = null)
{
    /// <summary>What the source says about the text.</summary>
    public DocumentMetadata Metadata { get; init; } = DocumentMetadata.Unknown;

    /// <summary>What stages have measured, in their order: "language.en", "quality", "toxicity". Kept with the document.</summary>
    public IReadOnlyList<DocumentScore> Scores { get; init; } = [];
}

/// <summary>One figure that a stage measured on a document.</summary>
/// <param name="Name">Stage and figure, joined by a dot.</param>
/// <param name="Value">The figure.</param>
public readonly record struct DocumentScore(string Name, double Value);

/// <summary>What a source says about a text; null where it says nothing.</summary>
public sealed record DocumentMetadata
{
    /// <summary>Of a source that says nothing.</summary>
    public static DocumentMetadata Unknown { get; } = new();

    /// <summary>The name of the source in the corpus' recipe; proportions of the mix and reputation go by it.</summary>
    public string? Dataset { get; init; }

    /// <summary>Canonical address, or the path within the source.</summary>
    public string? Url { get; init; }

    /// <summary>When it was written or published (UTC).</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>Who wrote it.</summary>
    public string? Author { get; init; }

    /// <summary>SPDX identifier, or the source's own words.</summary>
    public string? License { get; init; }

    /// <summary>ISO 639-1 code, declared or identified.</summary>
    public string? Language { get; init; }

    /// <summary>Media type of what the text was taken from.</summary>
    public string? ContentType { get; init; }

    /// <summary>How much the source wants it to count, positive; the mix multiplies by it.</summary>
    public double Weight { get; init; } = 1;
}
