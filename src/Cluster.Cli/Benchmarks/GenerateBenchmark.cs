using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a generation benchmark found, on one thread.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of weights.</param>
/// <param name="Batch">Sequences at once.</param>
/// <param name="TokensPerSecond">Decoded, all sequences together; best of the rounds.</param>
/// <param name="PrefillTokensPerSecond">Of a prompt; best of the rounds.</param>
public sealed record GenerateBenchmarkResult(string Shape, string Precision, int Batch, double TokensPerSecond, double PrefillTokensPerSecond);

/// <summary>Times prefill and decode of a model with initial weights.</summary>
internal static class GenerateBenchmark
{
    private const int Prompt = 64, Decoded = 128, Rounds = 3;

    public static GenerateBenchmarkResult Run(string shape, DecodePrecision precision, int batch, CancellationToken cancellation)
    {
        var layout = new ParameterLayout(BenchmarkShape.Get(shape).Model.Resolved());
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 1);
        using var decoder = new ManagedDecoder(layout, parameters, precision, batch * layout.Shape.MaxContext);
        int[] prompt = [.. Enumerable.Range(0, Prompt).Select(i => i * 31 % layout.Shape.Vocabulary)];
        double prefill = 0, decode = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var sequences = Enumerable.Range(0, batch).Select(_ => decoder.CreateSequence()).ToArray();
            var start = Stopwatch.GetTimestamp();
            foreach (var sequence in sequences)
                decoder.Prefill(sequence, prompt);
            prefill = Math.Max(prefill, batch * Prompt / Stopwatch.GetElapsedTime(start).TotalSeconds);
            var ids = new int[batch];
            start = Stopwatch.GetTimestamp();
            for (var i = 0; i < Decoded; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                decoder.Decode(sequences, ids);
                Array.Fill(ids, (i * 17 + 3) % layout.Shape.Vocabulary);
            }

            decode = Math.Max(decode, batch * Decoded / Stopwatch.GetElapsedTime(start).TotalSeconds);
            foreach (var sequence in sequences)
                sequence.Dispose();
        }

        return new GenerateBenchmarkResult(shape, precision.ToString().ToLowerInvariant(), batch, Math.Round(decode, 1), Math.Round(prefill, 1));
    }
}
