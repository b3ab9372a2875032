// Attention's steps. Threads split pairs of a run and a key-value head, all of these steps alike, so that what one of them leaves for
// the next stays with its thread. Within a pair rows go in order: a prompt's later rows read the keys of its earlier ones.
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Managed.Steps;

/// <summary>What the steps of attention share: the cache, and scratch of each thread.</summary>
/// <param name="batch">The rows.</param>
/// <param name="cache">How keys and values are stored.</param>
/// <param name="heads">Query heads.</param>
/// <param name="scratch">[threads, <paramref name="scratchBytes"/>], on a 64-byte bound.</param>
/// <param name="scratchBytes">At least <see cref="ScratchBytes"/>.</param>
internal sealed unsafe class HeadPlan(DecodeBatch batch, KeyValueFormat cache, int heads, byte* scratch, long scratchBytes)
{
    public DecodeBatch Batch => batch;

    public KeyValueFormat Cache => cache;

    /// <summary>Query heads of one key-value head.</summary>
    public int Group => heads / cache.KvHeads;

    public int HeadSize => cache.HeadSize;

    /// <summary>Bytes of a thread's scratch.</summary>
    public static long ScratchBytes(DecodeBatch batch, KeyValueFormat cache) =>
        NativeArena.Align(batch.MaxBlocks * sizeof(byte*)) + sizeof(float) * (2L * cache.PaddedHeadSize + (long)batch.MaxBlocks * KeyValueFormat.BlockTokens);

    /// <summary>The first pair of a run and a head that is a thread's.</summary>
    public int Bound(int thread) => (int)((long)batch.Runs * cache.KvHeads * thread / batch.Threads);

    /// <summary>A layer's part of the blocks of a run's sequence, in the thread's scratch.</summary>
    public byte** Blocks(int thread, int run, int layer)
    {
        var blocks = (byte**)(scratch + thread * scratchBytes);
        var source = batch.Blocks + (long)run * batch.MaxBlocks;
        var offset = (long)layer * cache.LayerBytes;
        var count = batch.Positions[batch.RunStarts[run + 1] - 1] / KeyValueFormat.BlockTokens + 1;
        for (var b = 0; b < count; b++)
            blocks[b] = source[b] + offset;
        return blocks;
    }

    /// <summary>Room for a head's query or key, padded.</summary>
    public float* First(int thread) => (float*)(scratch + thread * scratchBytes + NativeArena.Align(batch.MaxBlocks * sizeof(byte*)));

    /// <summary>Room for a head's output, padded.</summary>
    public float* Second(int thread) => First(thread) + cache.PaddedHeadSize;

    /// <summary>Room for scores of a whole sequence.</summary>
    public float* Scores(int thread) => Second(thread) + cache.PaddedHeadSize;
}

/// <summary>A step that goes through a thread's pairs.</summary>
internal abstract unsafe class HeadStep(HeadPlan plan, int layer) : PlanStep
{
    protected HeadPlan Plan => plan;

    public override void Run(int thread, int first, int last)
    {
        var (batch, heads) = (plan.Batch, plan.Cache.KvHeads);
        byte** blocks = null;
        var known = -1;
        for (int pair = plan.Bound(thread), end = plan.Bound(thread + 1); pair < end; pair++)
        {
            var run = pair / heads;
            if (run != known)
            {
                blocks = plan.Blocks(thread, run, layer);
                known = run;
            }

            Run(thread, pair % heads, blocks, batch.RunStarts[run], batch.RunStarts[run + 1], first);
        }
    }

    /// <summary>One key-value head of the rows of one run.</summary>
    /// <param name="thread">Whose scratch to use.</param>
    /// <param name="head">The head.</param>
    /// <param name="blocks">The layer's part of the sequence's blocks.</param>
    /// <param name="start">The run's first row.</param>
    /// <param name="end">Behind its last one.</param>
    /// <param name="first">Rows before this one are not wanted, but for what they put into the cache.</param>
    protected abstract void Run(int thread, int head, byte** blocks, int start, int end, int first);
}

/// <summary>Keys and values into the cache.</summary>
internal sealed unsafe class AppendStep(HeadPlan plan, int layer, Operand k, Operand v) : HeadStep(plan, layer)
{
    protected override void Run(int thread, int head, byte** blocks, int start, int end, int first)
    {
        var offset = head * Plan.HeadSize;
        for (var r = start; r < end; r++)
        {
            var position = Plan.Batch.Positions[r];
            Plan.Cache.Append(blocks[position / KeyValueFormat.BlockTokens], head, position % KeyValueFormat.BlockTokens,
                k.Row(thread, r) + offset, v.Row(thread, r) + offset);
        }
    }
}

/// <summary>Scores of each head, each in a line of its own of <paramref name="line"/> floats.</summary>
internal sealed unsafe class ScoresStep(HeadPlan plan, int layer, int line, Operand q, Operand to) : HeadStep(plan, layer)
{
    protected override void Run(int thread, int head, byte** blocks, int start, int end, int first)
    {
        for (var r = Math.Max(start, first); r < end; r++)
        {
            for (var h = head * Plan.Group; h < (head + 1) * Plan.Group; h++)
                Plan.Cache.Scores(q.Row(thread, r) + h * Plan.HeadSize, blocks, head, Plan.Batch.Positions[r] + 1, to.Row(thread, r) + (long)h * line);
        }
    }
}

/// <summary>Scores times a factor, or their softmax.</summary>
internal sealed unsafe class ScoreRowsStep(HeadPlan plan, bool softmax, float factor, int line, Operand x, Operand to) : HeadStep(plan, 0)
{
    protected override void Run(int thread, int head, byte** blocks, int start, int end, int first)
    {
        for (var r = Math.Max(start, first); r < end; r++)
        {
            var seen = Plan.Batch.Positions[r] + 1;
            for (var h = head * Plan.Group; h < (head + 1) * Plan.Group; h++)
            {
                float* from = x.Row(thread, r) + (long)h * line, scores = to.Row(thread, r) + (long)h * line;
                var width = (seen + KeyValueFormat.BlockTokens - 1) / KeyValueFormat.BlockTokens * KeyValueFormat.BlockTokens;
                if (!softmax)
                {
                    DecodeKernels.Scale(from, factor, scores, width);
                    continue;
                }

                new ReadOnlySpan<float>(from, width).CopyTo(new Span<float>(scores, width));
                var total = CachedAttention.Exponentials(scores, seen, 1);
                DecodeKernels.Scale(scores, 1f / total, scores, width);
            }
        }
    }
}

/// <summary>Σ weight · value.</summary>
internal sealed unsafe class WeightedSumStep(HeadPlan plan, int layer, int line, Operand weights, Operand to) : HeadStep(plan, layer)
{
    protected override void Run(int thread, int head, byte** blocks, int start, int end, int first)
    {
        var output = Plan.Second(thread);
        for (var r = Math.Max(start, first); r < end; r++)
        {
            for (var h = head * Plan.Group; h < (head + 1) * Plan.Group; h++)
            {
                Plan.Cache.WeightedValues(weights.Row(thread, r) + (long)h * line, blocks, head, Plan.Batch.Positions[r] + 1, 1, output);
                new ReadOnlySpan<float>(output, Plan.HeadSize).CopyTo(new Span<float>(to.Row(thread, r) + h * Plan.HeadSize, Plan.HeadSize));
            }
        }
    }
}

/// <summary>The whole of attention.</summary>
/// <param name="plan">The cache.</param>
/// <param name="layer">Whose cache.</param>
/// <param name="factor">What scores are multiplied by.</param>
/// <param name="q">[heads, head size].</param>
/// <param name="k">[kv heads, head size].</param>
/// <param name="v">[kv heads, head size].</param>
/// <param name="angles">[head size]; null for no rotation.</param>
/// <param name="to">[heads, head size].</param>
internal sealed unsafe class AttentionStep(
    HeadPlan plan, int layer, float factor, Operand q, Operand k, Operand v, Operand? angles, Operand to) : HeadStep(plan, layer)
{
    protected override void Run(int thread, int head, byte** blocks, int start, int end, int first)
    {
        var size = Plan.HeadSize;
        var positions = Plan.Batch.Positions;
        float* scratch = Plan.First(thread), output = Plan.Second(thread), scores = Plan.Scores(thread);
        for (var r = start; r < end; r++)
        {
            var key = Rotated(k.Row(thread, r) + head * size, thread, r, scratch);
            Plan.Cache.Append(blocks[positions[r] / KeyValueFormat.BlockTokens], head, positions[r] % KeyValueFormat.BlockTokens, key, v.Row(thread, r) + head * size);
        }

        for (var r = Math.Max(start, first); r < end; r++)
        {
            for (var h = head * Plan.Group; h < (head + 1) * Plan.Group; h++)
            {
                var query = Rotated(q.Row(thread, r) + h * size, thread, r, scratch);
                CachedAttention.Run(Plan.Cache, query, blocks, head, positions[r] + 1, factor, scores, output);
                new ReadOnlySpan<float>(output, size).CopyTo(new Span<float>(to.Row(thread, r) + h * size, size));
            }
        }
    }

    private float* Rotated(float* x, int thread, int row, float* scratch)
    {
        if (angles is not { } known)
            return x;
        DecodeKernels.Rotate(x, known.Row(thread, row), scratch, 1, Plan.HeadSize);
        return scratch;
    }
}
