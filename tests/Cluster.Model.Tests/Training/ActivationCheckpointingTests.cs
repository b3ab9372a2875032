using Cluster.Core.Models;
using Cluster.Core.Planning;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;

namespace Cluster.Model.Tests.Training;

/// <summary>Blocks that are computed again in the backward pass. The model has no dropout: the pass draws no random numbers.</summary>
public class ActivationCheckpointingTests
{
    private const int Rows = 48, Context = 16;
    private static readonly ModelShape s_shape = new() { Layers = 4, Width = 32, Heads = 2, Context = Context, Vocabulary = 48, FeedForward = 64 };

    public static TheoryData<string, Precision> Cases()
    {
        var cases = new TheoryData<string, Precision>();
        foreach (var shape in (string[])["default", "everything", "one block"])
        {
            cases.Add(shape, Precision.Fp32);
            cases.Add(shape, Precision.Bf16);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradient_OfSeveralMicroBatches_SameBitsAsWithout(string name, Precision precision)
    {
        using var keeps = Engine(ShapeOf(name), precision, ActivationCheckpointing.None);
        using var again = Engine(ShapeOf(name), precision, ActivationCheckpointing.Block);
        var (losses, gradient) = Lane(keeps, [0, 1, 2]);
        Assert.Equal((losses, gradient), Lane(again, [0, 1, 2]), Same);
        // A second step in the same buffers: nothing of the first shows through.
        Step(keeps, gradient);
        Step(again, gradient);
        Assert.Equal(Lane(keeps, [3, 4]), Lane(again, [3, 4]), Same);

        // The comparison would see another order of additions.
        Assert.NotEqual(Lane(again, [4, 3]).Gradient, Lane(again, [3, 4]).Gradient);
    }

    [Fact]
    public void Loss_WithoutGradient_SameBitsAsWithout()
    {
        using var keeps = Engine(s_shape, Precision.Bf16, ActivationCheckpointing.None);
        using var again = Engine(s_shape, Precision.Bf16, ActivationCheckpointing.Block);
        Assert.Equal(keeps.TokenLosses(Batch(0)).ToArray(), again.TokenLosses(Batch(0)).ToArray());
        Assert.Equal(keeps.Logits(Batch(1)), again.Logits(Batch(1)));
    }

    /// <summary>What <c>cluster plan</c> says of activations is what the engine allocates, to a hundredth.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void ActivationBytes_OfTheEngine_AreThePlans(string name, Precision precision)
    {
        var shape = ShapeOf(name).Resolved();
        var bytes = new List<double>();
        foreach (var checkpointing in (ActivationCheckpointing[])[ActivationCheckpointing.None, ActivationCheckpointing.Block])
        {
            using var engine = Engine(shape, precision, checkpointing);
            var planned = ReplicaMemory.ActivationBytes(Rows, shape, new MemoryOptions(precision, Checkpointing: checkpointing));
            Assert.InRange(engine.ActivationBytes, planned * 0.99, planned * 1.01);
            bytes.Add(engine.ActivationBytes);
        }

        if (shape.Layers == 1)
            Assert.Equal(bytes[0], bytes[1]);
        else
            Assert.True(bytes[1] < 0.6 * bytes[0], $"{bytes[1]} of {bytes[0]} bytes are left");
    }

    [Fact]
    public void Of_Recipe_TakesItsField()
    {
        var recipe = RecipeJson.Parse("""{"training": {"activation_checkpointing": "block", "precision": "fp32"}}""", "The test");
        Assert.Equal(ActivationCheckpointing.Block, EngineOptions.Of(recipe, Rows).Checkpointing);
        Assert.Equal(ActivationCheckpointing.None, EngineOptions.Of(new Recipe(), Rows).Checkpointing);
    }

    private static bool Same((double[] Losses, float[] Gradient) one, (double[] Losses, float[] Gradient) two) =>
        one.Losses.SequenceEqual(two.Losses) && one.Gradient.Select(BitConverter.SingleToUInt32Bits).SequenceEqual(two.Gradient.Select(BitConverter.SingleToUInt32Bits));

    /// <summary>A lane's gradient: the first micro-batch written, the others added.</summary>
    private static (double[] Losses, float[] Gradient) Lane(TrainingEngine engine, int[] batches)
    {
        var gradient = new float[engine.Length];
        double[] losses = [.. batches.Select((batch, i) => engine.Gradient(Batch(batch), 1.0 / (Rows * batches.Length), gradient, add: i > 0))];
        Assert.Contains(gradient, g => g != 0);
        return (losses, gradient);
    }

    private static void Step(TrainingEngine engine, float[] gradient) => engine.Apply(gradient, TrainingEngine.Norm(gradient), 1e-2, 1);

    private static TrainingEngine Engine(ModelShape shape, Precision precision, ActivationCheckpointing checkpointing) =>
        new(new EngineOptions(shape, precision, Rows, new AdamWOptions(), Checkpointing: checkpointing), seed: 7);

    private static MicroBatch Batch(int number)
    {
        var random = new CounterRandom(3, RandomPurpose.Synthetic, (ulong)number);
        int[] Ids(int start) => [.. Enumerable.Range(start, Rows).Select(i => (int)random.Below((ulong)i, (ulong)s_shape.Vocabulary))];
        return new MicroBatch(Ids(0), Ids(1_000), [.. Enumerable.Range(0, Rows).Select(i => (byte)(i % 5 == 2 ? 0 : 1))], Context);
    }

    private static ModelShape ShapeOf(string name) => name switch
    {
        "default" => s_shape,
        "one block" => s_shape with { Layers = 1 },
        "everything" => s_shape.WithEverything(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}
