using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// The shapes that benchmarks use, those of GPT-2's kind so that other programs can be set beside them: GELU, learned positions, a tied
/// head. S: 6 × 256, 8 heads, vocabulary 8,192, 16 sequences of 256 a step. M: 12 × 768, 12 heads, vocabulary 50,304, 4 sequences of 256.
/// </summary>
internal static class BenchmarkShape
{
    /// <exception cref="UserErrorException">No shape has that name.</exception>
    public static Recipe Get(string name) => name switch
    {
        "S" => Make(6, 256, 8, 8_192, lanes: 4, microBatch: 4),
        "M" => Make(12, 768, 12, 50_304, lanes: 2, microBatch: 2),
        _ => throw new UserErrorException($"--shape is \"{name}\".", "Give S or M."),
    };

    private static Recipe Make(int layers, int width, int heads, int vocabulary, int lanes, int microBatch) => new()
    {
        Name = "bench",
        Model = new ModelShape
        {
            Layers = layers,
            Width = width,
            Heads = heads,
            Context = 256,
            Vocabulary = vocabulary,
            Activation = Activation.Gelu,
            Positions = PositionEncoding.Learned,
        },
        Training = new TrainingRecipe { Steps = 100_000, Lanes = lanes, MicroBatch = microBatch, LearningRate = 3e-4 },
        Phases = [new PhaseRecipe { Name = "bulk", Fraction = 1 }],
    };
}
