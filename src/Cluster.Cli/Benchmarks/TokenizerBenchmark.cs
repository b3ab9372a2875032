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
/// <param name="Threads">Threads that train, and that encode.</param>
/// <param name="TrainSeconds">From text to merges, by the clock.</param>
/// <param name="TrainProcessorSeconds">The same by the processor, all threads together: on a busy machine the steadier figure.</param>
/// <param name="CountSeconds">Of it, counting pieces.</param>
/// <param name="CountProcessorSeconds">The same by the processor.</param>
/// <param name="LearnSeconds">Of it, learning merges.</param>
/// <param name="LearnProcessorSeconds">The same by the processor; threads that wait for the next merge take some of it.</param>
/// <param name="CountSpeedup">By the clock, times the counting of the first number of threads; on a busy machine far from what it would be.</param>
/// <param name="LearnSpeedup">The same of learning.</param>
/// <param name="TrainSpeedup">The same of all of training.</param>
/// <param name="AttainableSpeedup">
/// What the machine gives for threads that have nothing in common: all of the text counted by one thread, the first number of threads times, against
/// each of the threads counting all of it for itself. Fewer cores, threads of one core, memory and neighbours show here.
/// </param>
/// <param name="EncodeMegabytesPerSecond">Each text once, all threads together, by the clock.</param>
/// <param name="EncodeMegabytesPerProcessorSecond">The same by the processor: what one thread does.</param>
/// <param name="TokensPerByte">Of the text.</param>
public sealed record TokenizerBenchmarkRow(
    int Vocabulary, int Threads, double TrainSeconds, double TrainProcessorSeconds, double CountSeconds, double CountProcessorSeconds, double LearnSeconds,
    double LearnProcessorSeconds, double CountSpeedup, double LearnSpeedup, double TrainSpeedup, double AttainableSpeedup, double EncodeMegabytesPerSecond,
    double EncodeMegabytesPerProcessorSecond, double TokensPerByte);

/// <summary>
/// Times training, its two halves apart, and encoding; numbers of threads in turn within each round, so that a neighbour's noise meets all of
/// them. Without a corpus the text is the files of the SDK's reference documentation as they are, 74 MB of XML, on
/// which peers were measured; with one, its curated training documents.
/// </summary>
internal static class TokenizerBenchmark
{
    private const int Rounds = 10;

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
            var best = threads.Select(_ => (Count: Timing.Worst, Learn: Timing.Worst, Apart: Timing.Worst, Encode: Timing.Worst)).ToArray();
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

                    var (_, apart) = Timing.Of(() => CountApart(texts, options, cancellation));
                    best[i].Apart = best[i].Apart.Least(apart);
                    (tokens, var encode) = Timing.Of(() => Encode(tokenizer, texts, threads[i], cancellation));
                    best[i].Encode = best[i].Encode.Least(encode);
                }
            }

            var first = best[0];
            for (var i = 0; i < threads.Count; i++)
            {
                var (count, learn, apart, encode) = best[i];
                rows.Add(new TokenizerBenchmarkRow(
                    tokenizer!.VocabularySize, threads[i], Math.Round(count.Seconds + learn.Seconds, 3), Math.Round(count.ProcessorSeconds + learn.ProcessorSeconds, 3),
                    Math.Round(count.Seconds, 3), Math.Round(count.ProcessorSeconds, 3), Math.Round(learn.Seconds, 3), Math.Round(learn.ProcessorSeconds, 3),
                    Math.Round(first.Count.Seconds / count.Seconds, 2), Math.Round(first.Learn.Seconds / learn.Seconds, 2),
                    Math.Round((first.Count.Seconds + first.Learn.Seconds) / (count.Seconds + learn.Seconds), 2),
                    Math.Round(first.Apart.Seconds / threads[0] / (apart.Seconds / threads[i]), 2), Math.Round(bytes / 1e6 / encode.Seconds, 1),
                    Math.Round(bytes / 1e6 / encode.ProcessorSeconds, 1), Math.Round((double)tokens / bytes, 4)));
            }
        }

        return new TokenizerBenchmarkResult(source.Description, bytes, rows);
    }

    /// <summary>Each thread counts all texts alone, into tables of its own.</summary>
    private static int CountApart(string[] texts, BytePairTrainerOptions options, CancellationToken cancellation)
    {
        void Count()
        {
            using var counted = BytePairTrainer.Count(texts, options with { Workers = 1 }, cancellation);
        }

        var all = Enumerable.Range(0, options.Workers)
            .Select(_ => Task.Factory.StartNew(Count, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        Task.WhenAll(all).GetAwaiter().GetResult();
        return all.Length;
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
