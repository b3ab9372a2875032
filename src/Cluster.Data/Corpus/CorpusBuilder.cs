using Cluster.Core.Errors;
using Cluster.Data.Dialogues;

namespace Cluster.Data.Corpus;

/// <summary>How far the builder is.</summary>
/// <param name="Stage">What it does now: "reading", "curating", "splitting", "measuring overlap", "writing dialogues".</param>
/// <param name="Fraction">Share of the stages done, in [0, 1].</param>
public sealed record CorpusProgress(string Stage, double Fraction);

/// <summary>
/// Raw text to curated corpus in one call: read, normalise, filter, de-duplicate, score, split, measure overlap, make dialogues. The
/// result depends on the source's text, the options (without workers) and the scorer, bit for bit.
/// </summary>
/// <param name="options">How; validated here.</param>
/// <param name="scorer">Judges quality; null for <see cref="HeuristicQualityScorer"/>.</param>
/// <exception cref="UserErrorException">An option is out of range.</exception>
public sealed class CorpusBuilder(CorpusOptions options, IQualityScorer? scorer = null)
{
    private readonly CorpusOptions _options = options.Validate();
    private readonly IQualityScorer _scorer = scorer ?? new HeuristicQualityScorer();

    /// <summary>The source that <c>--corpus</c> means: a corpus that was built, a folder or file, or without one the reference documentation of the SDK.</summary>
    /// <exception cref="UserErrorException">There is no reference documentation on this machine.</exception>
    public static IDocumentSource Source(string? path) => path switch
    {
        null => new DotnetReferenceSource(),
        { Length: > 0 } when BuiltCorpusSource.Find(path) is { } built => built,
        _ => new FolderSource(path),
    };

    /// <summary>Builds the corpus.</summary>
    /// <param name="source">Where the text comes from.</param>
    /// <param name="progress">Told at the start of each stage; may be null.</param>
    /// <param name="cancellation">Ends it early; nothing is left behind.</param>
    /// <exception cref="UserErrorException">The source has no usable text, or too little for the parts asked for.</exception>
    public CuratedCorpus Build(IDocumentSource source, IProgress<CorpusProgress>? progress = null, CancellationToken cancellation = default)
    {
        progress?.Report(new CorpusProgress("reading", 0));
        var content = source.Read(_options.Workers, cancellation);
        progress?.Report(new CorpusProgress("curating", 0.5));
        var (documents, curation) = content.Curated
            ? Curator.AsTheyAre(content.Documents, _options, _scorer, cancellation) : Curator.Curate(content.Documents, _options, _scorer, cancellation);
        var stages = new List<CorpusStage>(content.Statistics.Stages) { curation };
        if (_options.MaximumBytes > 0)
        {
            (documents, var budget) = ByteBudget.Apply(documents, _options.MaximumBytes, _options.Seed);
            stages.Add(budget);
        }

        progress?.Report(new CorpusProgress("splitting", 0.65));
        var split = CorpusSplit.Split(documents, _options);
        var warnings = content.Statistics.Warnings.ToList();
        if (split.Report.Method == CorpusSplit.Tail)
            warnings.Add(split.Report.Explanation);

        progress?.Report(new CorpusProgress("measuring overlap", 0.7));
        var (validation, validationOverlap) = HeldOut(split.Train, split.Validation, "validation", cancellation);
        var (test, testOverlap) = HeldOut(split.Train, split.Test, "test", cancellation);

        progress?.Report(new CorpusProgress("writing dialogues", 0.8));
        var subject = source is DotnetReferenceSource ? "the .NET class library" : "the texts I was trained on";
        var dialogues = Dialogues(content, subject, split, validation, test, cancellation);
        var best = DecileSelection.Best(split.Train);
        var report = new CorpusReport
        {
            Source = source.Description,
            Files = content.Statistics.Files,
            BytesIn = content.Statistics.Bytes,
            BytesOut = Curator.Bytes(split.Train) + Curator.Bytes(validation) + Curator.Bytes(test),
            InvalidUtf8Sequences = content.Statistics.InvalidUtf8Sequences,
            Stages = stages,
            Split = split.Report,
            ValidationOverlap = validationOverlap,
            TestOverlap = testOverlap,
            QualityScorer = _scorer.Name,
            BestDocuments = best.Count,
            BestBytes = Curator.Bytes(best),
            Conversations = new SortedDictionary<string, int>(StringComparer.Ordinal)
            {
                ["train"] = dialogues.Train.Count,
                ["validation"] = dialogues.Validation.Count,
                ["test"] = dialogues.Test.Count,
            },
            Warnings = warnings,
            ContentSha256 = CuratedCorpus.HashDocuments(split.Train, validation, test),
            DialoguesSha256 = CuratedCorpus.HashDialogues(dialogues),
        };
        progress?.Report(new CorpusProgress("done", 1));
        return new CuratedCorpus(split.Train, validation, test, best, dialogues, report);
    }

    private (IReadOnlyList<Document> Documents, NgramOverlapReport Report) HeldOut(
        IReadOnlyList<Document> train, IReadOnlyList<Document> heldOut, string name, CancellationToken cancellation)
    {
        var overlaps = NgramOverlap.PerDocument(train, heldOut, _options.Workers, cancellation: cancellation);
        if (_options.MaximumHeldOutOverlap is not { } maximum)
            return (heldOut, NgramOverlap.Report(overlaps, removed: 0));
        var kept = Enumerable.Range(0, heldOut.Count).Where(i => overlaps[i].InTraining <= overlaps[i].Ngrams * maximum).ToList();
        if (kept.Count == 0 && heldOut.Count > 0)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"maximum_held_out_overlap is {maximum}, which removes all {heldOut.Count} {name} documents."),
                "Give a higher value, or none.");
        }

        return ([.. kept.Select(i => heldOut[i])], NgramOverlap.Report([.. kept.Select(i => overlaps[i])], heldOut.Count - kept.Count));
    }

    private DialogueSet Dialogues(
        SourceContent content, string subject, SplitCorpus split, IReadOnlyList<Document> validation, IReadOnlyList<Document> test,
        CancellationToken cancellation)
    {
        IReadOnlyList<Document>[] documents = [split.Train, validation, test];
        var parts = new List<Conversation>[] { [], [], [] };
        // A tail is held out within documents, not by type: questions about a type would give away what its held-out half says.
        var byType = content.Types.Count > 0 && split.Report.Method == CorpusSplit.ByGroup;
        var types = byType ? content.Types.Select(type => type.Group).ToHashSet(StringComparer.Ordinal) : [];
        if (byType)
        {
            var groups = new Dictionary<string, SplitPart>(StringComparer.Ordinal);
            for (var part = 0; part < documents.Length; part++)
            {
                foreach (var document in documents[part].Where(document => types.Contains(document.Group)))
                    groups[document.Group] = (SplitPart)part;
            }

            foreach (var conversation in ReferenceDialogues.Build(content.Types, groups, _options, cancellation))
                parts[(int)conversation.Part].Add(conversation);
        }

        for (var part = 0; part < documents.Length; part++)
        {
            var text = documents[part].Where(document => !types.Contains(document.Group)).ToList();
            parts[part].AddRange(GenericDialogues.Build(text, (SplitPart)part, _options, cancellation));
        }

        parts[(int)SplitPart.Train].AddRange(SmallTalk.About(subject));
        return new DialogueSet(parts[0], parts[1], parts[2]);
    }
}
