// Enters: a source of text and a vocabulary size. Leaves: a tokenizer and its figures. Does not know: files of tokenizers, consoles.

using System.Diagnostics;
using System.Text;
using Cluster.Data.Corpus;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Tokens;

/// <summary>What <c>tokenizer train</c> made.</summary>
public sealed record TokenizerTrainResult
{
    /// <summary>Where it was written.</summary>
    public required string File { get; init; }

    /// <summary>Its SHA-256.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Ids, special tokens included; fewer than asked for where the text has no more pairs that repeat.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Documents it learnt from.</summary>
    public required int Documents { get; init; }

    /// <summary>UTF-8 bytes it learnt from.</summary>
    public required long Bytes { get; init; }

    /// <summary>"held_out": the ratios below are of documents it did not learn from; "training": the corpus has too few to hold any out.</summary>
    public required string MeasuredOn { get; init; }

    /// <summary>UTF-8 bytes they were measured on.</summary>
    public required long MeasuredBytes { get; init; }

    /// <summary>Tokens per UTF-8 byte.</summary>
    public required double TokensPerByte { get; init; }

    /// <summary>The inverse.</summary>
    public required double BytesPerToken { get; init; }

    /// <summary>Reading and curating.</summary>
    public required double CorpusSeconds { get; init; }

    /// <summary>Learning the merges.</summary>
    public required double Seconds { get; init; }

    /// <summary>Ill-formed UTF-8 sequences of the corpus, each read as U+FFFD.</summary>
    public required long InvalidUtf8Sequences { get; init; }

    /// <summary>Smaller vocabularies of the same training, if asked for.</summary>
    public IReadOnlyList<TokenizerTableRow>? Table { get; init; }

    /// <summary>Things to know, one sentence each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}

/// <summary>How well a vocabulary of a size does.</summary>
public sealed record TokenizerTableRow(int Vocabulary, double TokensPerByte, double BytesPerToken);

/// <summary>Trains a byte-pair tokenizer on a curated corpus and measures it on documents that it did not see.</summary>
public static class TokenizerTraining
{
    private const long SampleBytes = 4 << 20;

    /// <summary>Trains.</summary>
    /// <param name="source">The text.</param>
    /// <param name="vocabulary">Ids, 272–1,000,000.</param>
    /// <param name="withTable">Whether to measure smaller vocabularies too.</param>
    /// <param name="progress">Told what it does.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The tokenizer, and its figures for a file of the caller's choice.</returns>
    public static (BytePairTokenizer Tokenizer, TokenizerTrainResult Result) Train(
        IDocumentSource source, int vocabulary, bool withTable, Action<string> progress, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        progress($"reading {source.Description}");
        // Short documents are no harm to a vocabulary, and what is held out is decided below: some text may be too little to hold out any.
        var corpus = new CorpusBuilder(new CorpusOptions { TrainFraction = 1, ValidationFraction = 0, TestFraction = 0, MinimumCharacters = 1 })
            .Build(source, progress: null, cancellation);
        var (train, measured, heldOut) = Split(corpus.Train);
        var corpusSeconds = clock.Elapsed.TotalSeconds;

        var bytes = train.Sum(document => (long)Encoding.UTF8.GetByteCount(document.Text));
        progress($"learning {vocabulary - BytePairTrainer.SmallestVocabulary:#,0} merges from {bytes:#,0} bytes");
        clock.Restart();
        var merges = BytePairTrainer.Train(train.Select(document => document.Text), new BytePairTrainerOptions { VocabularySize = vocabulary }, cancellation);
        var seconds = clock.Elapsed.TotalSeconds;
        var tokenizer = new BytePairTokenizer(merges);

        progress("measuring");
        var sample = Sample(measured);
        var rows = VocabularyTable.Measure(tokenizer, sample, withTable ? Sizes(tokenizer.VocabularySize) : [tokenizer.VocabularySize]);
        // Nothing was held out there, so how it would have been says nothing here.
        var warnings = corpus.Report.Warnings.Where(warning => warning != corpus.Report.Split.Explanation).ToList();
        if (tokenizer.VocabularySize < vocabulary)
            warnings.Add($"the text has pairs that repeat for a vocabulary of {tokenizer.VocabularySize:#,0} only, not {vocabulary:#,0}");
        return (tokenizer, new TokenizerTrainResult
        {
            File = "",
            Sha256 = TokenizerFile.Sha256(tokenizer),
            Vocabulary = tokenizer.VocabularySize,
            Documents = train.Count,
            Bytes = bytes,
            MeasuredOn = heldOut ? "held_out" : "training",
            MeasuredBytes = rows[^1].Bytes,
            TokensPerByte = rows[^1].TokensPerByte,
            BytesPerToken = rows[^1].BytesPerToken,
            CorpusSeconds = corpusSeconds,
            Seconds = seconds,
            InvalidUtf8Sequences = corpus.Report.InvalidUtf8Sequences,
            Table = withTable ? [.. rows.Select(row => new TokenizerTableRow(row.VocabularySize, row.TokensPerByte, row.BytesPerToken))] : null,
            Warnings = warnings,
        });
    }

    /// <summary>272, then the powers of two from 512, then the trained size.</summary>
    internal static IEnumerable<int> Sizes(int largest)
    {
        yield return BytePairTrainer.SmallestVocabulary;
        for (var size = 512; size < largest; size *= 2)
            yield return size;
        if (largest > BytePairTrainer.SmallestVocabulary)
            yield return largest;
    }

    private static (List<Document> Train, List<Document> Measured, bool HeldOut) Split(IReadOnlyList<Document> documents)
    {
        var options = new CorpusOptions();
        var parts = documents.ToLookup(document => CorpusSplit.PartOf(document.Group, options) == SplitPart.Train);
        List<Document> train = [.. parts[true]], heldOut = [.. parts[false]];
        // The same bound as for a run's split: fewer documents than this are too few to spare any.
        var enough = documents.Select(document => document.Group).Distinct(StringComparer.Ordinal).Skip(19).Any() && train.Count > 0 && heldOut.Count > 0;
        return enough ? (train, heldOut, true) : ([.. documents], [.. documents], false);
    }

    private static List<string> Sample(List<Document> documents)
    {
        var sample = new List<string>();
        long bytes = 0;
        foreach (var document in documents)
        {
            sample.Add(document.Text);
            bytes += Encoding.UTF8.GetByteCount(document.Text);
            if (bytes >= SampleBytes)
                break;
        }

        return sample;
    }
}
