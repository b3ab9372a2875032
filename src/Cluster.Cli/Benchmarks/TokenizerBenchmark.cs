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
/// <param name="CountSeconds">Of it, counting pieces, which threads share.</param>
/// <param name="CountProcessorSeconds">The same by the processor, all threads together.</param>
/// <param name="LearnSeconds">Of it, learning merges, which is one thread's work whatever their number.</param>
/// <param name="LearnProcessorSeconds">The same by the processor.</param>
/// <param name="CountSpeedup">By the clock, times the counting of the first number of threads; on a busy machine far from what it would be.</param>
/// <param name="TrainSpeedup">The same of all of training.</param>
/// <param name="SpeedupOfProcessor">
/// What training would gain over one thread if each thread had a core: from the processor's figures alone, counting divided by the threads,
/// what threads cost each other included.
/// </param>
/// <param name="EncodeMegabytesPerSecond">Each text once, all threads together, by the clock.</param>
/// <param name="EncodeMegabytesPerProcessorSecond">The same by the processor: what one thread does.</param>
/// <param name="TokensPerByte">Of the text.</param>
public sealed record TokenizerBenchmarkRow(
    int Vocabulary, int Threads, double TrainSeconds, double TrainProcessorSeconds, double CountSeconds, double CountProcessorSeconds, double LearnSeconds,
    double LearnProcessorSeconds, double CountSpeedup, double TrainSpeedup, double SpeedupOfProcessor, double EncodeMegabytesPerSecond,
    double EncodeMegabytesPerProcessorSecond, double TokensPerByte);

/// <summary>
/// Times training, its two halves apart, and encoding; numbers of threads in turn within each round, so that a neighbour's noise meets all of
/// them. Without a corpus the text is the files of the SDK's reference documentation as they are, 74 MB of XML, on
/// which peers were measured; with one, its curated training documents.
/// </summary>
internal static class TokenizerBenchmark
{
    private const int Rounds = 5;

    public static TokenizerBenchmarkResult Run(string? corpus, IReadOnlyList<int> vocabularies, IReadOnlyList<int> threads, CancellationToken cancellation)
    {
        var source = CorpusBuilder.Source(corpus);
        string[] texts = source is DotnetReferenceSource reference
            ? [.. reference.Paths.Select(File.ReadAllText)]
            : [.. new CorpusBuilder(new CorpusOptions()).Build(source, null, cancellation).Train.Select(document => document.Text)];
        var bytes = texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text));
        var rows = new List<TokenizerBenchmarkRow>();
        foreach (var vocabulary in vocabularies)
        {
            var best = threads.Select(_ => (Count: Timing.Worst, Learn: Timing.Worst, Encode: Timing.Worst)).ToArray();
            BytePairTokenizer? tokenizer = null;
            long tokens = 0;
            for (var round = 0; round < Rounds; round++)
            {
                for (var i = 0; i < threads.Count; i++)
                {
                    var options = new BytePairTrainerOptions { VocabularySize = vocabulary, Workers = threads[i] };
                    var (pieces, count) = Timing.Of(() => BytePairTrainer.Count(texts, options, cancellation));
                    using (pieces)
                    {
                        var (merges, learn) = Timing.Of(() => BytePairTrainer.Learn(pieces, options, cancellation));
                        tokenizer = new BytePairTokenizer(merges);
                        best[i].Count = best[i].Count.Least(count);
                        best[i].Learn = best[i].Learn.Least(learn);
                    }

                    (tokens, var encode) = Timing.Of(() => Encode(tokenizer, texts, threads[i], cancellation));
                    best[i].Encode = best[i].Encode.Least(encode);
                }
            }

            // The least that one thread's work takes is the same whoever does it.
            var learning = best.Min(one => one.Learn.ProcessorSeconds);
            var alone = best[0].Count.ProcessorSeconds + learning;
            for (var i = 0; i < threads.Count; i++)
            {
                var (count, learn, encode) = best[i];
                rows.Add(new TokenizerBenchmarkRow(
                    tokenizer!.VocabularySize, threads[i], Math.Round(count.Seconds + learn.Seconds, 3), Math.Round(count.ProcessorSeconds + learn.ProcessorSeconds, 3),
                    Math.Round(count.Seconds, 3), Math.Round(count.ProcessorSeconds, 3), Math.Round(learn.Seconds, 3), Math.Round(learn.ProcessorSeconds, 3),
                    Math.Round(best[0].Count.Seconds / count.Seconds, 2), Math.Round((best[0].Count.Seconds + best[0].Learn.Seconds) / (count.Seconds + learn.Seconds), 2),
                    Math.Round(alone / (count.ProcessorSeconds / threads[i] + learning), 2), Math.Round(bytes / 1e6 / encode.Seconds, 1),
                    Math.Round(bytes / 1e6 / encode.ProcessorSeconds, 1), Math.Round((double)tokens / bytes, 4)));
            }
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
