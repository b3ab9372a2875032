using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus;

/// <summary>
/// Documents of any source in, normalised, filtered, de-duplicated and scored ones out, in the same order: the stages of the preset
/// "reference" on documents in memory, for corpora that are trained on at once. <see cref="Pipeline.CorpusJob"/> runs the same stages, and
/// any others, over partitions on disk. Of exact duplicates (128-bit hash of the normalised text without outer white space) the first in
/// order stays.
/// </summary>
public static class Curator
{
    /// <summary>Fewer visible characters than the options ask for.</summary>
    public const string TooShort = "too_short";

    /// <summary>More than 1 % of the characters are U+FFFD: the bytes were not text in UTF-8.</summary>
    public const string NotUtf8 = "not_utf8";

    /// <summary>Less than 25 % of the visible characters are letters or digits.</summary>
    public const string MostlySymbols = "mostly_symbols";

    /// <summary>Of ten or more lines, those already seen in the document hold more than 60 % of its characters.</summary>
    public const string RepeatedLines = "repeated_lines";

    /// <summary>The same text as an earlier document.</summary>
    public const string Duplicate = "duplicate_document";

    /// <summary>The stages of <see cref="CurationPresets.Reference"/> with a least length and a scorer.</summary>
    private static IReadOnlyList<IDocumentStage> Stages(CorpusOptions options, IQualityScorer scorer) =>
    [
        new Normalise(), new PlainText(new PlainTextOptions { MinimumCharacters = options.MinimumCharacters }), new QualityFormula(scorer),
    ];

    /// <param name="documents">In the order that decides which duplicate stays.</param>
    /// <param name="options">Minimum length, workers.</param>
    /// <param name="scorer">Gives each document its quality.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">No document is left.</exception>
    public static (List<Document> Documents, CorpusStage Stage) Curate(
        IReadOnlyList<Document> documents, CorpusOptions options, IQualityScorer scorer, CancellationToken cancellation = default)
    {
        var judged = new (Document Document, UInt128 Hash, string? Reason)[documents.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation };
        var stages = Stages(options, scorer);
        Parallel.For(0, documents.Count, parallel, i =>
        {
            var document = documents[i];
            foreach (var stage in stages)
            {
                var outcome = stage.Apply(document);
                if (outcome.Drop is { } drop)
                {
                    judged[i] = (document, default, drop.Rule);
                    return;
                }

                document = outcome.Document;
            }

            judged[i] = (document, StableHash.Hash128(document.Text.AsSpan().Trim()), null);
        });

        var dropped = new DropCounts();
        var seen = new HashSet<UInt128>();
        var kept = new List<Document>(documents.Count);
        foreach (var (document, hash, reason) in judged)
        {
            var why = reason ?? (seen.Add(hash) ? null : Duplicate);
            if (why is null)
                kept.Add(document);
            else
                dropped.Add(why);
        }

        if (kept.Count == 0)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"No document is left of {documents.Count}: {dropped}."),
                FormattableString.Invariant(
                    $"Give more text: a document needs {options.MinimumCharacters} visible characters, mostly letters, in UTF-8."));
        }

        var stage = new CorpusStage("curation", documents.Count, kept.Count, Bytes(documents), Bytes(kept), dropped.ToDictionary());
        return (kept, stage);
    }

    /// <summary>
    /// Documents of a corpus that was built: its recipe has decided who stays and how often, and given them their quality. Where it has
    /// given none at all, they get the scorer's.
    /// </summary>
    /// <param name="documents">In order.</param>
    /// <param name="options">Workers.</param>
    /// <param name="scorer">Gives each document its quality, if none has one.</param>
    /// <param name="cancellation">Ends it early.</param>
    internal static (List<Document> Documents, CorpusStage Stage) AsTheyAre(
        IReadOnlyList<Document> documents, CorpusOptions options, IQualityScorer scorer, CancellationToken cancellation)
    {
        var taken = documents.ToArray();
        if (Array.TrueForAll(taken, document => document.Quality == 0))
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation };
            Parallel.For(0, taken.Length, parallel, i => taken[i] = taken[i] with { Quality = scorer.Score(taken[i]) });
        }

        var bytes = Bytes(taken);
        return ([.. taken], new CorpusStage("curation", taken.Length, taken.Length, bytes, bytes, new Dictionary<string, long>(StringComparer.Ordinal)));
    }

    /// <summary>UTF-8 bytes of the documents' texts.</summary>
    internal static long Bytes(IEnumerable<Document> documents) =>
        documents.Sum(document => (long)Encoding.UTF8.GetByteCount(document.Text));
}
