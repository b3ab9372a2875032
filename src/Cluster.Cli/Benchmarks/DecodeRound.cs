using System.Diagnostics;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// One round of a decode benchmark, the same whichever program computes: a prompt for each sequence of a batch, then steps of one token for
/// each. Tokens are given, so that no sampler is part of it.
/// </summary>
internal static class DecodeRound
{
    /// <summary>Tokens of a prompt.</summary>
    public const int Prompt = 64;

    /// <summary>Steps behind it.</summary>
    public const int Decoded = 128;

    /// <summary>The prompt of a sequence.</summary>
    public static int[] PromptOf(int member, int vocabulary) =>
        [.. Enumerable.Range(0, Prompt).Select(i => (i * 31 + member * 97) % vocabulary)];

    /// <summary>Runs one.</summary>
    /// <param name="batch">Sequences at once.</param>
    /// <param name="vocabulary">Ids are below it.</param>
    /// <param name="prefill">Computes the prompt of a sequence, given its number.</param>
    /// <param name="decode">Computes one token for each sequence.</param>
    /// <param name="step">Told the number of each step and its seconds.</param>
    /// <param name="cancellation">Between two steps.</param>
    /// <returns>Tokens per second of the fastest prompt.</returns>
    public static double Run(
        int batch, int vocabulary, Action<int, int[]> prefill, Action<int[]> decode, Action<int, double> step, CancellationToken cancellation)
    {
        double fastest = 0;
        for (var i = 0; i < batch; i++)
        {
            var prompt = PromptOf(i, vocabulary);
            var start = Stopwatch.GetTimestamp();
            prefill(i, prompt);
            fastest = Math.Max(fastest, Prompt / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        var ids = new int[batch];
        for (var i = 0; i < Decoded; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Array.Fill(ids, (i * 17 + 3) % vocabulary);
            var start = Stopwatch.GetTimestamp();
            decode(ids);
            step(i, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return fastest;
    }
}
