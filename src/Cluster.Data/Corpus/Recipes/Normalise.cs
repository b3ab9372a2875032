namespace Cluster.Data.Corpus.Recipes;

/// <summary>No parameters yet.</summary>
public sealed record NormaliseOptions;

/// <summary>The corpus's form of a text: LF line ends, no control characters, NFC. Keeps every document.</summary>
public sealed class Normalise : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "normalise";

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var text = TextNormaliser.Normalise(document.Text);
        return StageOutcome.Keep(ReferenceEquals(text, document.Text) ? document : document with { Text = text });
    }
}
