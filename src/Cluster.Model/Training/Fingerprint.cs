using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Cluster.Core.Randomness;

namespace Cluster.Model.Training;

/// <summary>
/// Names an engine's arithmetic: the hash of a forward, a backward and an optimizer step on synthetic tokens at the engine's own
/// shapes, precision and threads. Two processes with one fingerprint round alike; with two they would train unequal bits.
/// </summary>
public static class Fingerprint
{
    /// <summary>SHA-256 of gradient and parameters after the step, lower-case hex.</summary>
    /// <param name="engine">In its seed's state; one step on when this returns, without moments.</param>
    /// <param name="batchTokens">Tokens of a micro-batch.</param>
    /// <param name="context">Tokens of a sequence.</param>
    /// <param name="scratch">As long as the engine's vectors; overwritten.</param>
    public static string Of(TrainingEngine engine, int batchTokens, int context, Span<float> scratch)
    {
        var random = new CounterRandom(0, RandomPurpose.Synthetic, 0);
        var vocabulary = (ulong)engine.Layout.Shape.Vocabulary;
        int[] tokens = new int[batchTokens], targets = new int[batchTokens];
        var mask = new byte[batchTokens];
        for (var i = 0; i < batchTokens; i++)
        {
            tokens[i] = (int)random.Below(2 * (ulong)i, vocabulary);
            targets[i] = (int)random.Below(2 * (ulong)i + 1, vocabulary);
            mask[i] = 1;
        }

        engine.Gradient(new MicroBatch(tokens, targets, mask, context), 1.0 / batchTokens, scratch, add: false);
        // Moments are given back as the step goes along: a replica need not have room for all of them at once.
        const int room = 1 << 20;
        var norm = TrainingEngine.Norm(scratch);
        for (var start = 0; start < scratch.Length; start += room)
        {
            var count = Math.Min(room, scratch.Length - start);
            engine.Apply(start, scratch.Slice(start, count), norm, 1e-3, 1);
            engine.ReleaseMoments(start, count);
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, scratch);
        Append(hash, engine.Parameters);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, ReadOnlySpan<float> values)
    {
        // Spans of bytes end at 2 GB.
        const int part = 1 << 24;
        for (var start = 0; start < values.Length; start += part)
            hash.AppendData(MemoryMarshal.AsBytes(values.Slice(start, Math.Min(part, values.Length - start))));
    }
}
