using System.Diagnostics;
using Cluster.Data.Corpus;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a tokenizer benchmark found.</summary>
/// <param name="Source">The text.</param>
/// <param name="Bytes">UTF-8 bytes of it.</param>
/// <param name="Vocabulary">Ids learnt.</param>
/// <param name="TrainSeconds">One thread.</param>
/// <param name="EncodeMegabytesPerSecond">One thread, each document once.</param>
/// <param name="TokensPerByte">Of the text.</param>
public sealed record TokenizerBenchmarkResult(string Source, long Bytes, int Vocabulary, double TrainSeconds, double EncodeMegabytesPerSecond, double TokensPerByte);

/// <summary>Times training and encoding over a corpus's training documents.</summary>
internal static class TokenizerBenchmark
{
    public static TokenizerBenchmarkResult Run(string? corpus, int vocabulary, CancellationToken cancellation)
    {
        var source = CorpusBuilder.Source(corpus);
        string[] texts = [.. new CorpusBuilder(new CorpusOptions()).Build(source, null, cancellation).Train.Select(d => d.Text)];
        var bytes = texts.Sum(t => (long)System.Text.Encoding.UTF8.GetByteCount(t));
        var start = Stopwatch.GetTimestamp();
        var tokenizer = new BytePairTokenizer(BytePairTrainer.Train(texts, new BytePairTrainerOptions { VocabularySize = vocabulary, Workers = 1 }, cancellation));
        var training = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var ids = new List<int>();
        long tokens = 0;
        start = Stopwatch.GetTimestamp();
        foreach (var text in texts)
        {
            ids.Clear();
            tokenizer.Encode(text, ids);
            tokens += ids.Count;
        }

        var encoding = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new TokenizerBenchmarkResult(source.Description, bytes, tokenizer.VocabularySize, Math.Round(training, 3), Math.Round(bytes / 1e6 / encoding, 1),
            Math.Round((double)tokens / bytes, 4));
    }
}
