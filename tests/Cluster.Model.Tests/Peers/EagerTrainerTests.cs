using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Model.Optimizer;
using Cluster.Model.Peers;
using Cluster.Model.Training;

namespace Cluster.Model.Tests.Peers;

/// <summary>Autograd's answer beside the engine's, at a shape of the benchmarks' kind.</summary>
public class EagerTrainerTests
{
    private static readonly ModelShape s_shape = new()
    {
        Layers = 2,
        Width = 48,
        Heads = 3,
        Context = 16,
        Vocabulary = 96,
        Activation = Activation.Gelu,
        Positions = PositionEncoding.Learned,
    };

    [Theory]
    [InlineData(Precision.Fp32, 2e-5)]
    [InlineData(Precision.Bf16, 3e-2)]
    public void Gradient_SameBatchAndSeed_AgreesWithTheEngine(Precision precision, double tolerance)
    {
        var batch = Batch(rows: 64);
        var options = new EngineOptions(s_shape, precision, 64, new AdamWOptions());
        using var engine = new TrainingEngine(options, 7);
        var expected = new float[engine.Length];
        var loss = engine.Gradient(batch, 1.0 / 64, expected, add: false) / 64;
        using var eager = new EagerTrainer(options, 7);

        Assert.Equal(loss, eager.Gradient(batch), tolerance);
        var difference = new float[expected.Length];
        for (var i = 0; i < difference.Length; i++)
            difference[i] = eager.LastGradient[i] - expected[i];
        Assert.InRange(TrainingEngine.Norm(difference) / TrainingEngine.Norm(expected), 0, tolerance);
    }

    [Fact]
    public void Step_SameBatchAgainAndAgain_IsLearned()
    {
        var batch = Batch(rows: 64);
        using var eager = new EagerTrainer(new EngineOptions(s_shape, Precision.Fp32, 64, new AdamWOptions()), 7);
        var losses = Enumerable.Range(1, 30).Select(step => eager.Step(batch, 3e-3, step)).ToArray();
        Assert.InRange(losses[^1], 0, losses[0] / 4);
    }

    [Fact]
    public void Constructor_ShapeOfAnotherKind_Refused() =>
        Assert.Throws<ArgumentException>(() => new EagerTrainer(
            new EngineOptions(s_shape with { Activation = Activation.Swiglu }, Precision.Fp32, 64, new AdamWOptions()), 7));

    private static MicroBatch Batch(int rows)
    {
        var random = new CounterRandom(3, RandomPurpose.Synthetic, 0);
        int[] ids = [.. Enumerable.Range(0, rows + 1).Select(i => (int)random.Below((ulong)i, 96))];
        return new MicroBatch(ids[..rows], ids[1..], [.. Enumerable.Repeat((byte)1, rows)], 16);
    }
}
