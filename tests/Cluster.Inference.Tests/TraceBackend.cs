using System.Numerics;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Tests;

/// <summary>
/// A backend without a model, whose "keys and values" of a token are one number: a hash of the id, of the numbers of all tokens before
/// it, read from their blocks, and of how it was computed — unless prefill and decode are to agree, or the token is one of a prompt's end
/// that fills no chunk and <see cref="Tails"/> are decode's. One token in a wrong block, one block
/// that was overwritten or computed in another way, and all logits after it are others.
/// </summary>
internal sealed class TraceBackend(int blocks, int blockTokens, int chunk, int context, bool prefillEqualsDecode, int vocabulary = 24) : IDecodeBackend
{
    private readonly ulong[] _storage = new ulong[blocks * blockTokens];
    private float[] _logits = [];

    /// <summary>Breaks the promise: a decoded token's number depends on how many are decoded together.</summary>
    public bool DependsOnBatch { get; init; }

    /// <summary>Whether what fills no chunk at a prompt's end is computed as decode does.</summary>
    public bool Tails { get; init; }

    /// <summary>Calls until it throws.</summary>
    public int CallsLeft { get; set; } = int.MaxValue;

    /// <summary>Tokens computed.</summary>
    public long Computed { get; private set; }

    /// <summary>Called when a computation begins.</summary>
    public Action? OnCall { get; set; }

    public bool Disposed { get; private set; }

    public ModelShape Shape { get; } = new ModelShape { Context = context, Vocabulary = vocabulary }.Resolved();

    public int PrefillChunk => chunk;

    public bool PrefillEqualsDecode => prefillEqualsDecode;

    public int PrefilledTokens(int prompt) => prefillEqualsDecode ? 0 : Tails ? prompt / chunk * chunk : prompt;

    public KvBlockPool Cache { get; } = new(blocks, blockTokens);

    public DecodeSequence CreateSequence() => new(Cache, Shape.MaxContext);

    public ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last)
    {
        Called();
        var whole = Whole(sequence, ids.Length);
        for (var i = 0; i < ids.Length; i++)
            Write(sequence, ids[i], how: i < whole ? 1UL : 0);
        _logits = new float[Shape.Vocabulary];
        Logits(sequence, _logits);
        return logits == LogitRows.None ? default : _logits;
    }

    public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        Called();
        if (ids.Length > chunk)
            throw new InvalidOperationException($"{ids.Length} ids in a chunk of {chunk}");
        var whole = Whole(sequence, ids.Length);
        var rows = new float[ids.Length * Shape.Width];
        for (var i = 0; i < ids.Length; i++)
        {
            Write(sequence, ids[i], how: i < whole ? 1UL : 0);
            var state = Attend(sequence);
            for (var c = 0; c < Shape.Width; c++)
                rows[i * Shape.Width + c] = (Mix(state + (ulong)c) >> 40) / (float)(1 << 22) - 2;
        }

        return rows;
    }

    public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids)
    {
        Called();
        _logits = new float[sequences.Length * Shape.Vocabulary];
        for (var i = 0; i < sequences.Length; i++)
        {
            Write(sequences[i], ids[i], how: DependsOnBatch ? (ulong)sequences.Length : 0);
            Logits(sequences[i], _logits.AsSpan(i * Shape.Vocabulary, Shape.Vocabulary));
        }

        return _logits;
    }

    public void Dispose() => Disposed = true;

    /// <summary>How many of the next ids are computed in prefill's own way, which begins where a chunk begins.</summary>
    private int Whole(DecodeSequence sequence, int count)
    {
        if (prefillEqualsDecode)
            return 0;
        if (sequence.Length % chunk != 0 && !(Tails && count < chunk))
            throw new InvalidOperationException($"a chunk begins at {sequence.Length}");
        return sequence.Length % chunk != 0 ? 0 : Tails ? count / chunk * chunk : count;
    }

    private void Called()
    {
        OnCall?.Invoke();
        if (CallsLeft-- == 0)
            throw new InvalidOperationException("the device is lost");
    }

    private void Write(DecodeSequence sequence, int id, ulong how)
    {
        sequence.Reserve(1);
        ref var slot = ref Slot(sequence, sequence.Length);
        slot = Mix(Attend(sequence) ^ ((ulong)id + 1) * 0x9E3779B97F4A7C15 ^ how << 32);
        sequence.Advance(1);
        Computed++;
    }

    private void Logits(DecodeSequence sequence, Span<float> logits)
    {
        var state = Attend(sequence);
        for (var v = 0; v < logits.Length; v++)
            logits[v] = (Mix(state + (ulong)v) >> 40) / (float)(1 << 22);
    }

    private ulong Attend(DecodeSequence sequence)
    {
        ulong sum = 0;
        for (var t = 0; t < sequence.Length; t++)
            sum += BitOperations.RotateLeft(Slot(sequence, t), t) * (ulong)(2 * t + 1);
        return Mix(sum + (ulong)sequence.Length);
    }

    private ref ulong Slot(DecodeSequence sequence, int position) =>
        ref _storage[sequence.Blocks[position / blockTokens] * blockTokens + position % blockTokens];

    private static ulong Mix(ulong x)
    {
        // The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }
}
