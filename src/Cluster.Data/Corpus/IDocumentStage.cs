namespace Cluster.Data.Corpus;

/// <summary>
/// One step of curation that needs one document only: extraction, language, a filter, a scorer, masking. A pure function of the document:
/// the same outcome on every machine, thread and order. Called from several threads at a time.
/// </summary>
public interface IDocumentStage
{
    /// <summary>The name that recipes, reports and <c>corpus why</c> use, in kebab-case: "gopher-quality".</summary>
    string Name { get; }

    /// <summary>Judges or changes one document.</summary>
    StageOutcome Apply(Document document);
}

/// <summary>What a stage made of a document: the document, perhaps changed, or the reason why it goes no further.</summary>
public readonly struct StageOutcome
{
    private StageOutcome(Document document, DropReason? drop) => (Document, Drop) = (document, drop);

    /// <summary>The document as it leaves the stage; of a dropped one, as it entered.</summary>
    public Document Document { get; }

    /// <summary>Why it was dropped; null if it was kept.</summary>
    public DropReason? Drop { get; }

    /// <summary>The document goes on.</summary>
    public static StageOutcome Keep(Document document) => new(document, null);

    /// <summary>The document ends here.</summary>
    public static StageOutcome Dropped(Document document, DropReason reason) => new(document, reason);
}

/// <summary>Why a stage dropped a document.</summary>
/// <param name="Rule">The rule of the stage, in snake_case: "mean_word_length".</param>
/// <param name="Value">The measured figure, if the rule has one.</param>
/// <param name="Limit">The limit that it broke.</param>
public sealed record DropReason(string Rule, double? Value = null, double? Limit = null);
