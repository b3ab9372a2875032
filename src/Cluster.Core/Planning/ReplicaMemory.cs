using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Core.Planning;

/// <summary>How a replica keeps what it trains with.</summary>
/// <param name="Precision">Of the weights that products read, and of activations.</param>
/// <param name="ShardOptimizer">
/// Whether each replica keeps the moments of a slice only (ZeRO-1: Rajbhandari et al., "ZeRO: memory optimizations toward training trillion
/// parameter models", 2020), and those of another's as its buddy.
/// </param>
/// <param name="CheckpointActivations">Whether a block's activations are computed again in its backward pass, so that only its input is kept (Chen et al., 2016).</param>
public sealed record MemoryOptions(Precision Precision, bool ShardOptimizer, bool CheckpointActivations);

/// <summary>
/// Bytes that one replica trains with, by what they are. fp32 weights 4, gradient 4 and AdamW's two moments 8 of every parameter, as
/// <see cref="ModelReport.TrainingBytes"/> has it; in bf16 a copy of the weights, 2, besides.
/// </summary>
/// <param name="Weights">fp32, and their copy in bf16.</param>
/// <param name="Gradient">fp32; where moments are sharded among three or more, with the parameters after the step of the own slice.</param>
/// <param name="Moments">fp32, own slice and buddy's where they are sharded.</param>
/// <param name="Activations">Of one micro-batch.</param>
public sealed record ReplicaMemory(double Weights, double Gradient, double Moments, double Activations)
{
    private const double MomentBytes = 8;

    /// <summary>All of it.</summary>
    public double Total => Weights + Gradient + Moments + Activations;

    /// <param name="parameters">Trained values.</param>
    /// <param name="replicas">How many share them, at least 1.</param>
    /// <param name="microBatchTokens">Tokens of a micro-batch.</param>
    /// <param name="layers">Blocks.</param>
    /// <param name="width">Of the residual stream.</param>
    /// <param name="options">What is kept how.</param>
    public static ReplicaMemory Of(double parameters, int replicas, double microBatchTokens, int layers, int width, MemoryOptions options) => new(
        parameters * (options.Precision == Precision.Bf16 ? 6 : 4),
        parameters * 4 * (options.ShardOptimizer && replicas > 2 ? 1 + 1.0 / replicas : 1),
        parameters * MomentBytes * (options.ShardOptimizer ? Math.Min(1, 2.0 / replicas) : 1),
        ActivationBytes(microBatchTokens, layers, width, options));

    /// <summary>
    /// Bytes per replica where some bytes of every parameter are on all replicas and others on one of them: ZeRO's table 1.
    /// </summary>
    /// <param name="parameters">Trained values.</param>
    /// <param name="everywhere">Bytes of a parameter on every replica.</param>
    /// <param name="sharded">Bytes of a parameter on one.</param>
    /// <param name="replicas">Replicas.</param>
    public static double Sharded(double parameters, double everywhere, double sharded, int replicas) => parameters * (everywhere + sharded / replicas);

    /// <summary>
    /// Activations of a transformer's blocks that attention's scores are not among (they are computed tile by tile): 34 bytes of each token, unit of
    /// width and block in 16 bits, and 2 where only the block's input is kept, with one block whole (Korthikanti et al., "Reducing activation recomputation in
    /// large transformer models", 2022, section 4); twice that in fp32. Head and loss, which are computed in chunks, are left out.
    /// </summary>
    public static double ActivationBytes(double microBatchTokens, int layers, int width, MemoryOptions options)
    {
        const double Whole = 34, Input = 2;
        var perBlock = microBatchTokens * width * (options.Precision == Precision.Bf16 ? 1 : 2);
        return options.CheckpointActivations ? perBlock * (Input * layers + Whole) : perBlock * Whole * layers;
    }
}
