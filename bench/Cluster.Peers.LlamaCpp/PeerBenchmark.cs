// Our decode and llama.cpp's on one model in one process, in turn. Enters: a build of llama.cpp, a shape, a precision, a batch.
// Leaves: figures. Does not know: the command line.
using System.Diagnostics;
using Cluster.Cli.Benchmarks;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;

namespace Cluster.Peers.LlamaCpp;

/// <summary>One program's figures.</summary>
/// <param name="Format">Of its weights.</param>
/// <param name="TokensPerSecond">Decoded, all sequences together; median of the rounds.</param>
/// <param name="Best">Of each step its best time over the rounds, and the mean of those: what other programs here disturb least.</param>
/// <param name="MatrixMegabytes">Weights that a step reads.</param>
/// <param name="CacheMegabytes">Keys and values that a step reads, on average over the steps.</param>
/// <param name="ReadShare">Bytes of weights a second over what as many threads read in the same round; median of the rounds.</param>
/// <param name="PrefillTokensPerSecond">Of a prompt that fills the context; median of the rounds.</param>
internal sealed record PeerFigures(
    string Format, double TokensPerSecond, double Best, double MatrixMegabytes, double CacheMegabytes, double ReadShare,
    double PrefillTokensPerSecond);

/// <summary>What a comparison found.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Batch">Sequences at once.</param>
/// <param name="Threads">Of either program, and of reading.</param>
/// <param name="Rounds">Timed, after those that warm up.</param>
/// <param name="Ours">The managed backend.</param>
/// <param name="Theirs">llama.cpp with the settings that were fastest here.</param>
/// <param name="Settings">Those.</param>
/// <param name="Ratio">Of the medians, ours over theirs.</param>
/// <param name="MedianRatio">Median of the rounds' ratios.</param>
/// <param name="LowestRatio">Of a round.</param>
/// <param name="HighestRatio">Of a round.</param>
/// <param name="ReadGigabytesPerSecond">Of a buffer as large as our weights; median of the rounds.</param>
/// <param name="LargestDifference">Of a prompt's logits between the two programs.</param>
/// <param name="LargestLogit">Of ours, to set it beside.</param>
internal sealed record PeerResult(
    string Shape, int Batch, int Threads, int Rounds, PeerFigures Ours, PeerFigures Theirs, string Settings, double Ratio,
    double MedianRatio, double LowestRatio, double HighestRatio, double ReadGigabytesPerSecond, double LargestDifference,
    double LargestLogit);

/// <summary>The comparison. Rounds of either program alternate, so that what else the machine does meets both.</summary>
internal static class PeerBenchmark
{
    /// <summary>
    /// Names of precisions: of our weights, and llama.cpp's formats of matrices and head beside them; then what may lie between the logits
    /// of both, as a share of the largest. llama.cpp rounds activations to bf16 beside bf16, keys and values to fp16 and reads GELU from a
    /// table.
    /// </summary>
    private static readonly (string Name, string Theirs, GgmlType Matrices, GgmlType Head, double Tolerance)[] s_precisions =
    [
        ("fp32", "f32", GgmlType.F32, GgmlType.F32, 0.003),
        ("bf16", "bf16", GgmlType.Bf16, GgmlType.Bf16, 0.03),
        ("int8", "q8_0", GgmlType.Q8_0, GgmlType.Q8_0, 0.1),
        ("int8-group", "q8_0", GgmlType.Q8_0, GgmlType.Q8_0, 0.1),
        ("int4", "q4_0, head q8_0", GgmlType.Q4_0, GgmlType.Q8_0, 0.4),
    ];

    /// <summary>Their own threads are asleep after so long, and ours.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(20);

    /// <summary>Names that <see cref="Run"/> knows.</summary>
    public static IEnumerable<string> Precisions => s_precisions.Select(precision => precision.Name);

    /// <summary>Compares the two on one case.</summary>
    /// <param name="library">A build of llama.cpp.</param>
    /// <param name="shape">S or M.</param>
    /// <param name="precision">One of <see cref="Precisions"/>.</param>
    /// <param name="cache">Of our keys and values beside quantised weights; with int8 llama.cpp may have its own in q8_0.</param>
    /// <param name="batch">Sequences at once.</param>
    /// <param name="threads">Of either program.</param>
    /// <param name="rounds">To be timed, at least 1.</param>
    /// <param name="mapped">Whether llama.cpp maps the model's file instead of copying it.</param>
    /// <param name="folder">For the model's file, whose name is deleted once it is loaded.</param>
    /// <param name="cancellation">Between two steps.</param>
    /// <exception cref="UserErrorException">
    /// There is no such shape or precision, or llama.cpp refuses the model or gives other logits.
    /// </exception>
    public static PeerResult Run(
        LlamaLibrary library, string shape, string precision, CacheFormat cache, int batch, int threads, int rounds, bool mapped, string folder,
        CancellationToken cancellation)
    {
        var at = Array.FindIndex(s_precisions, p => p.Name == precision);
        if (at < 0)
            throw new UserErrorException($"--precision is \"{precision}\".", $"Give {string.Join(", ", Precisions)}.");
        var layout = new ParameterLayout(BenchmarkShape.Get(shape).Model.Resolved());
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        var path = Path.Combine(folder, "model.gguf");
        var theirBytes = Gguf.Write(path, layout, parameters, s_precisions[at].Matrices, s_precisions[at].Head);
        using var ours = Make(layout, parameters, precision, cache, batch, threads);
        using var model = library.LoadModel(path, mapped);
        File.Delete(path);
        var (vocabulary, context) = (layout.Shape.Vocabulary, layout.Shape.MaxContext);
        LlamaDecoder With(LlamaSettings settings) => new(library, model.Handle, vocabulary, context, batch, threads, settings);
        var settings = LlamaSettings.All(batch, cache == CacheFormat.Int8).MaxBy(candidate =>
        {
            using var tried = With(candidate);
            WarmUp(() => Theirs(tried, batch, vocabulary, new BestSteps(), cancellation));
            var best = new BestSteps();
            for (var round = 0; round < 3; round++)
                Theirs(tried, batch, vocabulary, best, cancellation);
            return 1 / best.Mean;
        })!;
        using var theirs = With(settings);

        var (difference, largest) = Compare(ours, theirs);
        if (!(difference <= s_precisions[at].Tolerance * largest))
        {
            throw new UserErrorException(FormattableString.Invariant($"Logits differ by {difference}, the largest is {largest}."),
                "llama.cpp computes another model: give another build.");
        }

        WarmUp(() => Ours(ours, batch, new BestSteps(), cancellation));
        WarmUp(() => Theirs(theirs, batch, vocabulary, new BestSteps(), cancellation));
        BestSteps ourBest = new(), theirBest = new();
        double[] our = new double[rounds], their = new double[rounds], read = new double[rounds];
        double[] ourPrompt = new double[rounds], theirPrompt = new double[rounds];
        int[] whole = [.. Enumerable.Range(0, context).Select(i => i * 31 % vocabulary)];
        using (var bandwidth = new ReadBandwidth(ours.MatrixBytes, threads))
        {
            for (var round = 0; round < rounds; round++)
            {
                var (one, two) = bandwidth.Measure(16);
                read[round] = Math.Max(Median.Of(one), Median.Of(two));
                // Whoever comes second may find a warmer or a slower machine.
                for (var turn = 0; turn < 2; turn++)
                {
                    Thread.Sleep(s_rest);
                    if ((round + turn) % 2 == 0)
                    {
                        our[round] = Ours(ours, batch, ourBest, cancellation);
                        ourPrompt[round] = Prompt(ours, whole);
                    }
                    else
                    {
                        their[round] = Theirs(theirs, batch, vocabulary, theirBest, cancellation);
                        theirPrompt[round] = Prompt(theirs, whole);
                    }
                }

                Thread.Sleep(s_rest);
            }
        }

        double[] ratios = [.. our.Zip(their, (a, b) => a / b)];
        // llama.cpp reads the whole cache up to the next multiple of 256 tokens. Scales aside, but q8_0's, which are a sixteenth.
        var ourBytes = precision is "fp32" or "bf16" || cache == CacheFormat.Fp32 ? 4 : cache == CacheFormat.Bf16 ? 2 : 1;
        var theirBytesOfValue = settings.QuantizedCache ? 34.0 / 32 : 2;
        var values = 2.0 * layout.Shape.Layers * layout.Shape.KvHeads * layout.Shape.HeadSize * batch;
        var length = DecodeRound.Prompt + (DecodeRound.Decoded + 1) / 2.0;
        return new PeerResult(shape, batch, threads, rounds,
            Figures(ourBytes == 4 ? precision : $"{precision}, kv {cache.ToString().ToLowerInvariant()}", our, ourBest, ours.MatrixBytes, values * ourBytes * length, ourPrompt),
            Figures(s_precisions[at].Theirs, their, theirBest, theirBytes, values * theirBytesOfValue * 256, theirPrompt),
            settings + (mapped ? ", mapped file" : ""), Round(Median.Of(our) / Median.Of(their), 3),
            Round(Median.Of(ratios), 3), Round(ratios.Min(), 3), Round(ratios.Max(), 3),
            Round(Median.Of(read) / 1e9, 2), Round(difference, 5), Round(largest, 3));

        PeerFigures Figures(string format, double[] rates, BestSteps best, long matrices, double cache, double[] prompts) => new(
            format, Round(Median.Of(rates), 1), Round(batch / best.Mean, 1), Round(matrices / 1e6, 1), Round(cache / 1e6, 2),
            Round(Median.Of([.. rates.Zip(read, (rate, r) => rate / batch * matrices / r)]), 3), Round(Median.Of(prompts), 0));
    }

    private static ManagedDecoder Make(
        ParameterLayout layout, float[] parameters, string precision, CacheFormat cache, int batch, int threads)
    {
        var tokens = (batch + 1) * layout.Shape.MaxContext;
        if (precision is "fp32" or "bf16")
            return new ManagedDecoder(layout, parameters, Enum.Parse<DecodePrecision>(precision, ignoreCase: true), tokens, threads);
        var scheme = QuantizationScheme.Of(WeightFormats.Parse("--precision", precision)) with { Cache = cache };
        return new ManagedDecoder(QuantizedModel.Of(layout, parameters, scheme), tokens, threads);
    }

    /// <summary>A round of ours; tokens per second.</summary>
    private static double Ours(ManagedDecoder decoder, int batch, BestSteps best, CancellationToken cancellation)
    {
        DecodeSequence[] sequences = [.. Enumerable.Range(0, batch).Select(_ => decoder.CreateSequence())];
        var before = best.Sum;
        DecodeRound.Run(batch, decoder.Shape.Vocabulary, (member, prompt) => decoder.Prefill(sequences[member], prompt),
            ids => decoder.Decode(sequences, ids), best.Add, cancellation);
        foreach (var sequence in sequences)
            sequence.Dispose();
        return batch * DecodeRound.Decoded / (best.Sum - before);
    }

    /// <summary>A round of theirs.</summary>
    private static double Theirs(LlamaDecoder decoder, int batch, int vocabulary, BestSteps best, CancellationToken cancellation)
    {
        var before = best.Sum;
        decoder.Start();
        DecodeRound.Run(batch, vocabulary, (member, prompt) => decoder.Prefill(member, prompt), ids => decoder.Decode(ids),
            best.Add, cancellation);
        decoder.Stop();
        return batch * DecodeRound.Decoded / (best.Sum - before);
    }

    private static double Prompt(ManagedDecoder decoder, int[] ids)
    {
        using var sequence = decoder.CreateSequence();
        var start = Stopwatch.GetTimestamp();
        decoder.Prefill(sequence, ids);
        return ids.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Prompt(LlamaDecoder decoder, int[] ids)
    {
        decoder.Start();
        var start = Stopwatch.GetTimestamp();
        decoder.Prefill(0, ids);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        decoder.Stop();
        return ids.Length / seconds;
    }

    /// <summary>Logits of one prompt and of a step behind it by both: the same model, or the figures would be of different work.</summary>
    private static (double Difference, double Largest) Compare(ManagedDecoder ours, LlamaDecoder theirs)
    {
        using var sequence = ours.CreateSequence();
        var prompt = DecodeRound.PromptOf(0, ours.Shape.Vocabulary);
        theirs.Start();
        double difference = 0, largest = 0;
        Add(ours.Prefill(sequence, prompt), theirs.Prefill(0, prompt));
        int[] next = [3];
        Add(ours.Decode([sequence], next), theirs.Prefill(0, next));
        theirs.Stop();
        return (difference, largest);

        void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
        {
            for (var i = 0; i < a.Length; i++)
            {
                difference = Math.Max(difference, Math.Abs(a[i] - b[i]));
                largest = Math.Max(largest, Math.Abs(a[i]));
            }
        }
    }

    private static void WarmUp(Action round)
    {
        var start = Stopwatch.GetTimestamp();
        do
            round();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < 1);
    }

    /// <summary>Seconds of steps, and of each the least.</summary>
    private sealed class BestSteps
    {
        private readonly double[] _least = [.. Enumerable.Repeat(double.PositiveInfinity, DecodeRound.Decoded)];

        /// <summary>Of all steps so far.</summary>
        public double Sum { get; private set; }

        /// <summary>Of the least of each.</summary>
        public double Mean => _least.Average();

        public void Add(int step, double seconds)
        {
            Sum += seconds;
            _least[step] = Math.Min(_least[step], seconds);
        }
    }

    private static double Round(double value, int digits) => Math.Round(value, digits);
}
