using System.Globalization;
using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>
/// Documents of any source in, normalised, filtered, de-duplicated and scored ones out, in the same order. Each document is judged
/// alone and in parallel; of exact duplicates (128-bit hash of the normalised text without outer white space) the first in order stays.
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
        Parallel.For(0, documents.Count, parallel, i =>
        {
            var document = documents[i] with { Text = TextNormaliser.Normalise(documents[i].Text) };
            var reason = Reason(document.Text, options.MinimumCharacters);
            judged[i] = reason is null
                ? (document with { Quality = scorer.Score(document) }, StableHash.Hash128(document.Text.AsSpan().Trim()), null)
                : (document, default, reason);
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

    /// <summary>UTF-8 bytes of the documents' texts.</summary>
    internal static long Bytes(IEnumerable<Document> documents) =>
        documents.Sum(document => (long)Encoding.UTF8.GetByteCount(document.Text));

    private static string? Reason(string text, int minimum)
    {
        int visible = 0, letters = 0, replaced = 0;
        foreach (var c in text)
        {
            if (char.IsWhiteSpace(c))
                continue;
            visible++;
            // Characters beyond the basic plane (rare scripts, emoji) count as letters.
            if (char.IsLetterOrDigit(c) || char.IsSurrogate(c) || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark
                or UnicodeCategory.SpacingCombiningMark)
                letters++;
            else if (c == '\uFFFD')
                replaced++;
        }

        if (visible < minimum)
            return TooShort;
        if (replaced > visible * 0.01)
            return NotUtf8;
        if (letters < visible * 0.25)
            return MostlySymbols;
        return RepeatsItself(text) ? RepeatedLines : null;
    }

    private static bool RepeatsItself(string text)
    {
        var lines = 0;
        long all = 0, repeated = 0;
        var seen = new HashSet<string>(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var range in text.AsSpan().Split('\n'))
        {
            var line = text.AsSpan(range).Trim();
            if (line.IsEmpty)
                continue;
            lines++;
            all += line.Length;
            if (!seen.Add(line))
                repeated += line.Length;
        }

        return lines >= 10 && repeated > all * 0.6;
    }
}
