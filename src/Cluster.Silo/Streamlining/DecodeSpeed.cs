using System.Diagnostics;
using Cluster.Inference.Backends;

namespace Cluster.Silo.Streamlining;

/// <summary>Decoding one sequence, tokens per second. A figure of this machine now, and no part of any result's bits.</summary>
internal static class DecodeSpeed
{
    private const int Rounds = 5, Prompt = 8, MostTokens = 64;

    /// <summary>The best of several rounds of each, in turn, so that a busy machine troubles them alike.</summary>
    /// <param name="backends">Models.</param>
    /// <param name="cancellation">Ends the measurement.</param>
    public static double[] Compare(IReadOnlyList<IDecodeBackend> backends, CancellationToken cancellation)
    {
        var best = new double[backends.Count];
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < backends.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                best[i] = Math.Max(best[i], Measure(backends[i]));
            }
        }

        return best;
    }

    private static double Measure(IDecodeBackend backend)
    {
        using var sequence = backend.CreateSequence();
        backend.Prefill(sequence, Enumerable.Range(0, Prompt).Select(i => i % backend.Shape.Vocabulary).ToArray(), LogitRows.None);
        var tokens = Math.Min(MostTokens, backend.Shape.MaxContext - Prompt);
        if (tokens < 1)
            return 0;
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < tokens; i++)
            backend.Decode(sequence, i * 17 % backend.Shape.Vocabulary);
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
