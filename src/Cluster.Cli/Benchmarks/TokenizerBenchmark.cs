using System.Diagnostics;
using System.Text;
using Cluster.Data.Corpus;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a tokenizer benchmark found.</summary>
/// <param name="Source">The text.</param>
/// <param name="Bytes">UTF-8 bytes of it.</param>
/// <param name="Rows">A row for each vocabulary and number of threads.</param>
public sealed record TokenizerBenchmarkResult(string Source, long Bytes, IReadOnlyList<TokenizerBenchmarkRow> Rows);

/// <summary>One vocabulary at one number of threads; the best of several rounds.</summary>
/// <param name="Vocabulary">Ids learnt.</param>
/// <param name="Threads">Threads that count pieces, and that encode.</param>
/// <param name="TrainSeconds">From text to merges, by the clock.</param>
/// <param name="TrainProcessorSeconds">The same by the processor: on a busy machine the steadier figure.</param>
/// <param name="EncodeMegabytesPerSecond">Each text once, all threads together, by the clock.</param>
/// <param name="EncodeMegabytesPerProcessorSecond">The same by the processor: what one thread does.</param>
/// <param name="TokensPerByte">Of the text.</param>
public sealed record TokenizerBenchmarkRow(
    int Vocabulary, int Threads, double TrainSeconds, double TrainProcessorSeconds, double EncodeMegabytesPerSecond,
    double EncodeMegabytesPerProcessorSecond, double TokensPerByte);

/// <summary>
/// Times training and encoding. Without a corpus the text is the files of the SDK's reference documentation as they are, 74 MB of XML, on
/// which peers were measured; with one, its curated training documents.
/// </summary>
internal static class TokenizerBenchmark
{
    private const int Rounds = 3;

    public static TokenizerBenchmarkResult Run(string? corpus, IReadOnlyList<int> vocabularies, IReadOnlyList<int> threads, CancellationToken cancellation)
    {
        var source = CorpusBuilder.Source(corpus);
        string[] texts = source is DotnetReferenceSource reference
            ? [.. reference.Paths.Select(File.ReadAllText)]
            : [.. new CorpusBuilder(new CorpusOptions()).Build(source, null, cancellation).Train.Select(document => document.Text)];
        var bytes = texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text));
        var rows = new List<TokenizerBenchmarkRow>();
        foreach (var vocabulary in vocabularies)
            foreach (var count in threads)
            {
                var best = (Train: Timing.Worst, Encode: Timing.Worst);
                BytePairTokenizer? tokenizer = null;
                long tokens = 0;
                for (var round = 0; round < Rounds; round++)
                {
                    var (merges, train) = Timing.Of(() => BytePairTrainer.Train(
                        texts, new BytePairTrainerOptions { VocabularySize = vocabulary, Workers = count }, cancellation));
                    tokenizer = new BytePairTokenizer(merges);
                    (tokens, var encode) = Timing.Of(() => Encode(tokenizer, texts, count, cancellation));
                    best = (best.Train.Least(train), best.Encode.Least(encode));
                }

                rows.Add(new TokenizerBenchmarkRow(
                    tokenizer!.VocabularySize, count, Math.Round(best.Train.Seconds, 3), Math.Round(best.Train.ProcessorSeconds, 3),
                    Math.Round(bytes / 1e6 / best.Encode.Seconds, 1), Math.Round(bytes / 1e6 / best.Encode.ProcessorSeconds, 1),
                    Math.Round((double)tokens / bytes, 4)));
            }

        return new TokenizerBenchmarkResult(source.Description, bytes, rows);
    }

    private static long Encode(BytePairTokenizer tokenizer, string[] texts, int threads, CancellationToken cancellation)
    {
        long tokens = 0;
        Parallel.ForEach(
            texts, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, () => (Ids: new List<int>(), Count: 0L),
            (text, _, state) =>
            {
                state.Ids.Clear();
                tokenizer.Encode(text, state.Ids);
                return (state.Ids, state.Count + state.Ids.Count);
            },
            state => Interlocked.Add(ref tokens, state.Count));
        return tokens;
    }
}
