using System.Numerics;
using Cluster.Core.Models;

namespace Cluster.Core.Planning;

/// <summary>How a replica keeps what it trains with.</summary>
/// <param name="Precision">Of the weights that products read, and of activations.</param>
/// <param name="ShardOptimizer">
/// Whether each replica keeps the moments of a slice only (ZeRO-1: Rajbhandari et al., "ZeRO: memory optimizations toward training trillion
/// parameter models", 2020), and those of another's as its buddy.
/// </param>
/// <param name="Checkpointing">What of a block is kept for its backward pass.</param>
/// <param name="Reduction">How tree nodes are kept.</param>
public sealed record MemoryOptions(
    Precision Precision, bool ShardOptimizer = false, ActivationCheckpointing Checkpointing = ActivationCheckpointing.None,
    ReductionPrecision Reduction = ReductionPrecision.Fp32);

/// <summary>
/// Bytes that one replica trains with, by what they are; what the training engine and the node store allocate, without what does not grow
/// with model or micro-batch: a few megabytes of scratch, pieces under way, the process itself. Tests hold it against what they allocate.
/// </summary>
/// <param name="Weights">fp32, and their copy that products read, in the activations' precision.</param>
/// <param name="Gradient">
/// The lane at hand in fp32, the tree's nodes held at once, the reduced gradient; where moments are sharded among three or more, the parameters
/// after the step of the own slice.
/// </param>
/// <param name="Moments">fp32, own slice and buddy's where they are sharded.</param>
/// <param name="Activations">Of one micro-batch, with their gradients.</param>
public sealed record ReplicaMemory(double Weights, double Gradient, double Moments, double Activations)
{
    private const double MomentBytes = 8;

    /// <summary>All of it.</summary>
    public double Total => Weights + Gradient + Moments + Activations;

    /// <param name="parameters">Trained values.</param>
    /// <param name="replicas">How many share them, at least 1.</param>
    /// <param name="lanes">Lanes of one replica, at least 1.</param>
    /// <param name="microBatchTokens">Tokens of a micro-batch.</param>
    /// <param name="shape">With every derived field.</param>
    /// <param name="options">What is kept how.</param>
    public static ReplicaMemory Of(double parameters, int replicas, int lanes, int microBatchTokens, ModelShape shape, MemoryOptions options) => new(
        parameters * (sizeof(float) + ElementBytes(options.Precision)),
        parameters * (GradientBytes(lanes, options.Reduction) + (options.ShardOptimizer && replicas > 2 ? (double)sizeof(float) / replicas : 0)),
        parameters * MomentBytes * (options.ShardOptimizer ? Math.Min(1, 2.0 / replicas) : 1),
        ActivationBytes(microBatchTokens, shape, options));

    /// <summary>
    /// Bytes per replica where some bytes of every parameter are on all replicas and others on one of them: ZeRO's table 1.
    /// </summary>
    /// <param name="parameters">Trained values.</param>
    /// <param name="everywhere">Bytes of a parameter on every replica.</param>
    /// <param name="sharded">Bytes of a parameter on one.</param>
    /// <param name="replicas">Replicas.</param>
    public static double Sharded(double parameters, double everywhere, double sharded, int replicas) => parameters * (everywhere + sharded / replicas);

    /// <summary>
    /// Bytes of a parameter in gradients, where a replica's lanes are computed in order and begin at a multiple of their number. In fp32 a lane is computed in the buffer
    /// that becomes its node: ⌊log₂ lanes⌋ + 1 of them at most, and the reduced one. In bf16 there is one buffer of fp32 for the lane, ⌊log₂(lanes + 1)⌋
    /// nodes of half the size, and the reduced gradient as one more.
    /// </summary>
    /// <param name="lanes">Lanes of one replica, at least 1.</param>
    /// <param name="reduction">How nodes are kept.</param>
    public static double GradientBytes(int lanes, ReductionPrecision reduction)
    {
        const int Fp32 = 4, Bf16 = 2, Reduced = 1;
        return reduction == ReductionPrecision.Bf16
            ? Fp32 + Bf16 * (BitOperations.Log2((uint)lanes + 1) + Reduced)
            : Fp32 * (BitOperations.Log2((uint)lanes) + 1 + Reduced);
    }

    /// <summary>
    /// What a micro-batch's forward pass leaves for its backward pass, and that pass's own values. Per token of a block of GPT-2's kind in bf16 it is 36 bytes of each unit of
    /// width, all but a few; 34 are counted by Korthikanti et al. ("Reducing activation recomputation in large transformer models", 2022,
    /// section 4.1, attention's scores left out) for a stream in 16 bits and with masks of dropout. Where only a block's input is kept, one
    /// block's values serve all (Chen et al. 2016).
    /// </summary>
    public static double ActivationBytes(int microBatchTokens, ModelShape shape, MemoryOptions options)
    {
        double element = ElementBytes(options.Precision), stream = sizeof(float) * (double)shape.Width;
        double query = (double)shape.Heads * shape.HeadSize, qkv = query + 2.0 * shape.KvHeads * shape.HeadSize;
        double up = shape.Activation == Activation.Swiglu ? 2.0 * shape.FeedForward : shape.FeedForward;
        var block = element * (2 * shape.Width + qkv + query + up + shape.FeedForward) + sizeof(float) * shape.Heads;
        var (blocks, streams) = options.Checkpointing == ActivationCheckpointing.Block ? (1, shape.Layers + 2) : (shape.Layers, 2 * shape.Layers + 1);
        var statistics = 2 * sizeof(float) * (2.0 * shape.Layers + 1);
        // Of the backward pass: the gradients of one block's values, of the stream and of what the head reads, and that.
        var backward = element * (query + qkv + shape.FeedForward + 5 * shape.Width) + stream;
        var logits = element * shape.Vocabulary * LogitChunk.RowsOf(microBatchTokens, shape.Vocabulary);
        return microBatchTokens * (blocks * block + streams * stream + statistics + backward) + logits;
    }

    private static double ElementBytes(Precision precision) => precision == Precision.Bf16 ? 2 : 4;
}
