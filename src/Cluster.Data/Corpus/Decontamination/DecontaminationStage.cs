namespace Cluster.Data.Corpus.Decontamination;

/// <summary>
/// Takes out of the corpus what evaluation sets ask, after GPT-3 (Brown et al. 2020, appendix C). A document that has n-grams of a set gets
/// a score "contamination.SET" with their number, and then stays, loses the spans, or goes. A pure function of the document: unlike
/// GPT-3's, it can't spare n-grams that more than ten documents have, so give sets whose items are the benchmark's own text, without the
/// articles that they quote.
/// </summary>
public sealed class DecontaminationStage(EvaluationIndex index, DecontaminationOptions options) : IDocumentStage
{
    /// <summary>The rule of documents that share too many n-grams.</summary>
    public const string Overlap = "evaluation_overlap";

    /// <summary>The rule of documents of which too many pieces, or none, would be left.</summary>
    public const string Pieces = "evaluation_pieces";

    private readonly DecontaminationOptions _options = options.Validate();

    /// <inheritdoc/>
    public string Name => "decontamination";

    /// <inheritdoc/>
    public StageOutcome Apply(Document document) => Apply(document, null);

    /// <summary><see cref="Apply(Document)"/>, and counts what the document has.</summary>
    public StageOutcome Apply(Document document, ContaminationTally? tally)
    {
        var finding = index.Find(document.Text);
        if (finding.Total == 0)
            return StageOutcome.Keep(document);
        tally?.Add(finding);
        var scored = document with
        {
            Scores =
            [
                .. document.Scores,
                .. index.SetNames.Select((set, i) => new DocumentScore($"contamination.{set}", finding.Hits[i])).Where(score => score.Value > 0),
            ],
        };
        if (_options.Action == DecontaminationAction.Record || finding.Total < _options.MinimumHits)
            return StageOutcome.Keep(scored);
        if (_options.Action == DecontaminationAction.DropDocument)
            return StageOutcome.Dropped(scored, new DropReason(Overlap, finding.Total, _options.MinimumHits));

        var pieces = Remaining(document.Text, finding.Spans);
        return pieces.Count == 0 || pieces.Count > _options.MaximumPieces
            ? StageOutcome.Dropped(scored, new DropReason(Pieces, pieces.Count, _options.MaximumPieces))
            : StageOutcome.Keep(scored with { Text = string.Join("\n\n", pieces) });
    }

    /// <summary>What is left between the spans and their margins, cut at white space so that no word is halved, without pieces that are too short.</summary>
    private List<string> Remaining(string text, IReadOnlyList<(int Start, int End)> spans)
    {
        var pieces = new List<string>();
        var from = 0;
        foreach (var (start, end) in spans)
        {
            Take(from, Math.Max(from, start - _options.SpanMargin), cutStart: from > 0, cutEnd: true);
            from = Math.Max(from, Math.Min(text.Length, end + _options.SpanMargin));
        }

        Take(from, text.Length, cutStart: true, cutEnd: false);
        return pieces;

        void Take(int start, int end, bool cutStart, bool cutEnd)
        {
            if (cutStart)
                while (start < end && !char.IsWhiteSpace(text[start]))
                    start++;
            if (cutEnd)
                while (end > start && !char.IsWhiteSpace(text[end - 1]))
                    end--;
            var piece = text.AsSpan(start, end - start).Trim();
            if (piece.Length >= Math.Max(1, _options.MinimumPiece))
                pieces.Add(piece.ToString());
        }
    }
}
