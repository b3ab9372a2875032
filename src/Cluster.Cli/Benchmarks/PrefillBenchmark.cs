using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Model.Decode;
using Cluster.Model.Peers;

namespace Cluster.Cli.Benchmarks;

/// <summary>What the ways to compute a prompt came to, in tokens per second, the best of rounds in turn.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of the products' operands.</param>
/// <param name="Threads">Of a product; the managed decoder has one.</param>
/// <param name="PromptTokens">Of each prompt.</param>
/// <param name="Managed">The managed decoder's row kernels.</param>
/// <param name="Torch">Training's products beside the managed decoder.</param>
/// <param name="TorchAlone">The backend of Torch's own operations.</param>
/// <param name="Eager">The eager library, as a straightforward program uses it: whole prompt at once, nothing padded or kept in blocks.</param>
/// <param name="TorchToEager">How many times faster <paramref name="Torch"/> is than <paramref name="Eager"/>: the median of the rounds' quotients.</param>
/// <param name="TorchToEagerCpu">The same in processor time, which other programs on the machine disturb less.</param>
/// <param name="LargestDifference">Of the last token's logits between <paramref name="Torch"/> and the managed decoder in fp32.</param>
public sealed record PrefillBenchmarkResult(
    string Shape, string Precision, int Threads, int PromptTokens, double Managed, double Torch, double TorchAlone, double Eager, double TorchToEager,
    double TorchToEagerCpu, double LargestDifference);

/// <summary>Times prompts on a model with initial weights.</summary>
internal static class PrefillBenchmark
{
    public static PrefillBenchmarkResult Run(string shape, Precision precision, int threads, int tokens, int chunk, int rounds, CancellationToken cancellation)
    {
        PrefillBenchmarkResult? result = null;
        // Settings of threads are a thread's own.
        var thread = new Thread(() => result = Measure(shape, precision, threads, tokens, chunk, rounds, cancellation));
        thread.Start();
        thread.Join();
        cancellation.ThrowIfCancellationRequested();
        return result!;
    }

    private static PrefillBenchmarkResult Measure(string shape, Precision precision, int threads, int tokens, int chunk, int rounds, CancellationToken cancellation)
    {
        var layout = new ParameterLayout(BenchmarkShape.Get(shape).Model.Resolved());
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        int[] prompt = [.. Enumerable.Range(0, tokens).Select(i => i * 31 % layout.Shape.Vocabulary)];
        var stored = precision == Precision.Bf16 ? DecodePrecision.Bf16 : DecodePrecision.Fp32;
        var room = 2 * layout.Shape.MaxContext;
        using var managed = new ManagedDecoder(layout, parameters, stored, room);
        using var torch = new TorchPrefillDecoder(new ManagedDecoder(layout, parameters, stored, room), layout, parameters, precision, threads, chunk);
        using var alone = new TorchDecoder(layout, parameters, precision, room, threads);
        using var eager = new EagerPrefill(layout, parameters, precision, threads);
        Func<float[]>[] ways = [() => Once(managed), () => Once(torch), () => Once(alone), () => eager.Run(prompt)];

        double[] best = new double[ways.Length];
        List<double> quotients = [], ofCpu = [];
        using var process = Process.GetCurrentProcess();
        float[] logits = [];
        for (var round = 0; round <= rounds && !cancellation.IsCancellationRequested; round++)
        {
            double[] rates = new double[ways.Length], cpu = new double[ways.Length];
            for (var way = 0; way < ways.Length; way++)
            {
                // As many prompts as take a twentieth of a second: what else runs here should not decide.
                process.Refresh();
                var (start, before, count) = (Stopwatch.GetTimestamp(), process.TotalProcessorTime, 0);
                do
                {
                    var found = ways[way]();
                    logits = way == 1 ? found : logits;
                    count++;
                }
                while (Stopwatch.GetElapsedTime(start).TotalSeconds < 0.05);
                rates[way] = count * tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
                process.Refresh();
                cpu[way] = count / (process.TotalProcessorTime - before).TotalSeconds;
            }

            if (round == 0)
                continue;
            best = [.. best.Zip(rates, Math.Max)];
            quotients.Add(rates[1] / rates[3]);
            ofCpu.Add(cpu[1] / cpu[3]);
        }

        if (cancellation.IsCancellationRequested)
            return null!;
        using var exact = new ManagedDecoder(layout, parameters, DecodePrecision.Fp32, room);
        var difference = Once(exact).Zip(logits, (a, b) => Math.Abs(a - b)).Max();
        return new PrefillBenchmarkResult(shape, precision.ToString().ToLowerInvariant(), threads, tokens, Math.Round(best[0]), Math.Round(best[1]),
            Math.Round(best[2]), Math.Round(best[3]), Math.Round(Median.Of(quotients), 2), Math.Round(Median.Of(ofCpu), 2), Math.Round(difference, 5));

        float[] Once(IDecodeBackend backend)
        {
            using var sequence = backend.CreateSequence();
            return backend.Prefill(sequence, prompt).ToArray();
        }
    }
}
