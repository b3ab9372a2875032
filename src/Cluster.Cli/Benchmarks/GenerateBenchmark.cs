using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Generation;
using Cluster.Inference.Graph.Passes;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;
using Cluster.Inference.Sampling;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// What a generation benchmark found. 128 steps behind a prompt of 64 are timed one by one, several times over; of each step, which has its
/// own length of context, the best time counts, and their mean: what the machine does while no other program has its cores.
/// </summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of weights: a precision, or a quantised format with its activations and cache.</param>
/// <param name="Batch">Sequences at once.</param>
/// <param name="Threads">That compute.</param>
/// <param name="Without">Passes that were left out.</param>
/// <param name="TokensPerSecond">Decoded, all sequences together.</param>
/// <param name="MedianTokensPerSecond">The same of each step's median: what other programs on the machine left of it.</param>
/// <param name="MillisecondsPerStep">One token for each sequence.</param>
/// <param name="PrefillTokensPerSecond">Of a prompt of 64; the best one.</param>
/// <param name="MatrixMegabytes">Weights that a step reads.</param>
/// <param name="WeightsGigabytesPerSecond">Bytes of weights read meanwhile, at the medians.</param>
/// <param name="ReadGigabytesPerSecond">What as many threads read of a buffer of that size, timed in turn with the steps; the median of the faster way.</param>
/// <param name="ReadShare">The former over the latter: both medians, for neighbours on the machine take a part of its memory's speed that changes by the second.</param>
/// <param name="EngineTokensPerSecond">With the serving engine and its sampler, once all replies have begun; the best of several times.</param>
/// <param name="Replies">EQUAL if each reply of the engine's batch has the ids and log-probabilities of its reply alone, to the last bit.</param>
/// <param name="Passes">What each pass brings; absent where not asked.</param>
public sealed record GenerateBenchmarkResult(
    string Shape, string Precision, int Batch, int Threads, IReadOnlyList<string> Without, double TokensPerSecond, double MedianTokensPerSecond,
    double MillisecondsPerStep, double PrefillTokensPerSecond, double MatrixMegabytes, double WeightsGigabytesPerSecond, double ReadGigabytesPerSecond,
    double ReadShare, double EngineTokensPerSecond, string Replies, IReadOnlyList<PassEffect>? Passes)
{
    /// <summary>The value of <see cref="Replies"/> that is no failure.</summary>
    public const string Equal = "EQUAL";
}

/// <summary>A pass's effect: steps with and without it in turn.</summary>
/// <param name="Pass">Its name.</param>
/// <param name="TokensPerSecondWithout">All other passes on.</param>
/// <param name="TokensPerSecondWith">All on, in turn with the former.</param>
/// <param name="Gain">The latter over the former.</param>
public sealed record PassEffect(string Pass, double TokensPerSecondWithout, double TokensPerSecondWith, double Gain);

/// <summary>Times prefill and decode of a model with initial weights, and checks that a batch leaves no trace in its replies.</summary>
internal static class GenerateBenchmark
{
    private const int Rounds = 4;
    private const double Seconds = 4;

    public static async Task<GenerateBenchmarkResult> RunAsync(
        string shape, DecodePrecision precision, QuantizationScheme? quantized, int batch, int threads, IReadOnlyCollection<string> without, bool passes,
        CancellationToken cancellation)
    {
        GraphPasses.Check(without);
        var layout = new ParameterLayout(BenchmarkShape.Get(shape).Model.Resolved());
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        var model = quantized is null ? null : QuantizedModel.Of(layout, parameters, quantized);
        ManagedDecoder Make(params IEnumerable<string> without) => model is null
            ? new(layout, parameters, precision, batch * layout.Shape.MaxContext, threads, [.. without.Distinct()])
            : new(model, batch * layout.Shape.MaxContext, threads, [.. without.Distinct()]);

        using var decoder = Make(without);
        WarmUp(decoder, batch, cancellation);
        Timing own;
        double read;
        using (var bandwidth = new ReadBandwidth(decoder.MatrixBytes, threads))
        {
            own = new Timing();
            List<double> one = [], two = [];
            for (var clock = new Rounding(); clock.GoesOn;)
            {
                var (oneStream, twoStreams) = bandwidth.Measure(16);
                one.AddRange(oneStream);
                two.AddRange(twoStreams);
                Time(decoder, batch, own, cancellation);
            }

            read = Math.Max(Median.Of(one), Median.Of(two));
        }

        List<PassEffect>? effects = passes ? [] : null;
        foreach (var pass in passes ? GraphPasses.All : [])
        {
            if (decoder.Without.Contains(pass.Name))
                continue;
            using var other = Make([.. without, pass.Name]);
            WarmUp(other, batch, cancellation);
            Timing on = new(), off = new();
            for (var clock = new Rounding(); clock.GoesOn;)
            {
                Time(decoder, batch, on, cancellation);
                Time(other, batch, off, cancellation);
            }

            effects!.Add(new PassEffect(pass.Name, Rate(off.Best, batch), Rate(on.Best, batch), Math.Round(off.Best / on.Best, 3)));
        }

        var (engineRate, replies) = await ReplyAsync(Make(without), batch, cancellation);
        var weights = decoder.MatrixBytes / own.Median;
        var name = quantized is null ? precision.ToString().ToLowerInvariant() : FormattableString.Invariant(
            $"{quantized.Weights.Name}, activations {quantized.Activations.ToString().ToLowerInvariant()}, cache {quantized.Cache.ToString().ToLowerInvariant()}");
        return new GenerateBenchmarkResult(shape, name, batch, threads, [.. without],
            Rate(own.Best, batch), Rate(own.Median, batch), Math.Round(1e3 * own.Best, 4), Math.Round(own.Prefill, 1), Math.Round(decoder.MatrixBytes / 1e6, 1),
            Math.Round(weights / 1e9, 2), Math.Round(read / 1e9, 2), Math.Round(weights / read, 3), Math.Round(engineRate, 1), replies, effects);
    }

    private static double Rate(double step, int batch) => Math.Round(batch / step, 1);

    /// <summary>Until methods are compiled as they stay and the decoder knows how many threads are worth it.</summary>
    private static void WarmUp(ManagedDecoder decoder, int batch, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        do
            Time(decoder, batch, new Timing(), cancellation);
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < 1);
    }

    /// <summary>One round of a decoder: prompts of a batch, then its steps.</summary>
    private static void Time(ManagedDecoder decoder, int batch, Timing timing, CancellationToken cancellation)
    {
        DecodeSequence[] sequences = [.. Enumerable.Range(0, batch).Select(_ => decoder.CreateSequence())];
        var prefill = DecodeRound.Run(batch, decoder.Shape.Vocabulary, (member, prompt) => decoder.Prefill(sequences[member], prompt),
            ids => decoder.Decode(sequences, ids), (step, seconds) => timing.Steps[step].Add(seconds), cancellation);
        timing.Prefill = Math.Max(timing.Prefill, prefill);
        foreach (var sequence in sequences)
            sequence.Dispose();
    }

    /// <summary>Every request alone, then all at once through the same engine.</summary>
    private static async Task<(double TokensPerSecond, string Replies)> ReplyAsync(ManagedDecoder decoder, int batch, CancellationToken cancellation)
    {
        var vocabulary = decoder.Shape.Vocabulary;
        InferenceRequest[] requests = [.. Enumerable.Range(0, batch).Select(i => new InferenceRequest
        {
            // Prompts of several lengths, every second reply greedy.
            Prompt = DecodeRound.PromptOf(i, vocabulary)[(i % 7)..],
            Options = new GenerationOptions { MaxTokens = DecodeRound.Decoded, Temperature = i % 2, Seed = 5 },
            Stream = (ulong)i,
        })];
        using var engine = new InferenceEngine(decoder, new Wordless(vocabulary),
            new SchedulerOptions { MaxRunning = batch, TokenBudget = Math.Max(256, 2 * batch + decoder.PrefillChunk), PrefixSharing = false });
        List<GeneratedToken[]> alone = [];
        foreach (var request in requests)
            alone.Add(await engine.Submit(request, cancellation)[0].Tokens.ReadAllAsync(cancellation).ToArrayAsync(cancellation));

        SortedSet<int> different = [];
        double best = 0;
        for (var clock = new Rounding(); clock.GoesOn;)
        {
            var before = engine.Snapshot();
            EngineReply[] submitted = [.. requests.Select(request => engine.Submit(request, cancellation)[0])];
            // Once all have their first token a step is the whole batch, without prompts: the engine's own times from token to token are its steps'.
            var begun = engine.Snapshot();
            for (; begun.TimeToFirstToken.Count < before.TimeToFirstToken.Count + batch; begun = engine.Snapshot())
                await Task.Delay(1, cancellation);
            for (var i = 0; i < batch; i++)
            {
                var tokens = await submitted[i].Tokens.ReadAllAsync(cancellation).ToArrayAsync(cancellation);
                if (!alone[i].Select(Bits).SequenceEqual(tokens.Select(Bits)))
                    different.Add(i);
            }

            var ended = engine.Snapshot().InterTokenLatency;
            best = Math.Max(best, batch * (ended.Count - begun.InterTokenLatency.Count) / (ended.Sum - begun.InterTokenLatency.Sum));
        }

        return (best, different.Count == 0 ? GenerateBenchmarkResult.Equal : $"different: {string.Join(", ", different)}");

        static (int, int) Bits(GeneratedToken token) => (token.Id, BitConverter.SingleToInt32Bits(token.LogProbability));
    }

    /// <summary>A few rounds at least, and more while they are short.</summary>
    private sealed class Rounding
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private int _rounds;

        public bool GoesOn => _rounds++ < Rounds || Stopwatch.GetElapsedTime(_start).TotalSeconds < Seconds;
    }

    /// <summary>Seconds of each step in each round, and tokens per second of the best prompt.</summary>
    private sealed class Timing
    {
        public List<double>[] Steps { get; } = [.. Enumerable.Range(0, DecodeRound.Decoded).Select(_ => new List<double>())];

        public double Prefill { get; set; }

        public double Best => Steps.Average(times => times.Min());

        public double Median => Steps.Average(Benchmarks.Median.Of);
    }

    private sealed class Wordless(int count) : ITokenText
    {
        public int Count => count;

        public ReadOnlySpan<byte> Bytes(int id) => [];
    }
}
