namespace Cluster.Silo.Shards;

/// <summary>Which of the first sequences of a validation set each lane takes: the same number of whole micro-batches each, in order.</summary>
/// <param name="sequences">Sequences that the set holds.</param>
/// <param name="perBatch">Sequences of a micro-batch.</param>
/// <param name="lanes">Lanes.</param>
/// <param name="tokens">Tokens asked for; rounded up to whole micro-batches per lane, and not beyond the set.</param>
/// <param name="batchTokens">Tokens of a micro-batch.</param>
internal sealed class ValidationSplit(long sequences, int perBatch, int lanes, long tokens, int batchTokens)
{
    /// <summary>Micro-batches of each lane.</summary>
    public int BatchesPerLane { get; } = checked((int)Math.Max(1, Math.Min(
        Divide(tokens, (long)batchTokens * lanes), Divide(sequences, (long)perBatch * lanes))));

    /// <summary>The first sequence of a lane's micro-batch; may lie beyond the set.</summary>
    public long First(int lane, int batch) => ((long)lane * BatchesPerLane + batch) * perBatch;

    /// <summary>Whether the set holds the sequence.</summary>
    public bool Holds(long sequence) => sequence < sequences;

    private static long Divide(long value, long by) => (value + by - 1) / by;
}
