using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;

namespace Cluster.Model.Tests.Training;

public class TrainingEngineTests
{
    private static readonly ModelShape s_small = new() { Layers = 2, Width = 32, Heads = 2, Context = 16, Vocabulary = 48, FeedForward = 64 };

    public static TheoryData<string> Shapes() => ["default", "gelu", "rms", "rotary", "learned", "biases", "grouped", "untied", "narrow heads", "everything"];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_Fp32_EqualsFloat64Reference(string name)
    {
        using var engine = Engine(ShapeOf(name), Precision.Fp32, tokens: 48);
        var batch = Batch(engine.Layout.Shape, rows: 48, context: 16, masked: true);
        var gradient = Garbage(engine);
        Perturb(engine);

        var loss = engine.Gradient(batch, 1.0, gradient, add: false);
        var (expectedLoss, expected) = new ReferenceGpt(engine.Layout, engine.Parameters).LossAndGradient(batch.Tokens, batch.Targets, batch.Mask, batch.Context);

        Assert.Equal(expectedLoss, loss, 1e-4 * expectedLoss);
        foreach (var p in engine.Layout.Parameters)
        {
            var (error, size) = Difference(gradient, expected, p);
            Assert.True(size > 0, $"{p.Name}: the reference gradient is zero, so nothing was compared");
            Assert.True(error <= 2e-5 * size, $"{p.Name}: relative error {error / size:E2}");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_Bf16_StaysNearFloat64Reference(string name)
    {
        using var engine = Engine(ShapeOf(name), Precision.Bf16, tokens: 48);
        var batch = Batch(engine.Layout.Shape, rows: 48, context: 16, masked: true);
        var gradient = Garbage(engine);
        Perturb(engine);

        var loss = engine.Gradient(batch, 1.0, gradient, add: false);
        var (expectedLoss, expected) = new ReferenceGpt(engine.Layout, engine.Parameters).LossAndGradient(batch.Tokens, batch.Targets, batch.Mask, batch.Context);

        Assert.Equal(expectedLoss, loss, 2e-3 * expectedLoss);
        foreach (var p in engine.Layout.Parameters)
        {
            var (error, size) = Difference(gradient, expected, p);
            Assert.True(error <= 0.06 * size, $"{p.Name}: relative error {error / size:E2}");
        }
    }

    [Theory]
    [InlineData("everything", Precision.Fp32)]
    [InlineData("everything", Precision.Bf16)]
    [InlineData("untied", Precision.Bf16)]
    public void Gradient_Added_IsTheSumOfBoth(string name, Precision precision)
    {
        using var engine = Engine(ShapeOf(name), precision, tokens: 48);
        Perturb(engine);
        MicroBatch one = Batch(engine.Layout.Shape, rows: 48, context: 16, masked: true), two = one with { Tokens = [.. one.Tokens.Reverse()] };
        float[] first = Garbage(engine), second = Garbage(engine), both = Garbage(engine);
        engine.Gradient(one, 1.0, first, add: false);
        engine.Gradient(two, 1.0, second, add: false);
        engine.Gradient(one, 1.0, both, add: false);
        engine.Gradient(two, 1.0, both, add: true);

        Assert.DoesNotContain(first, float.IsNaN);
        var scale = Math.Sqrt(first.Sum(g => (double)g * g) / first.Length);
        for (var i = 0; i < both.Length; i++)
            Assert.Equal((double)first[i] + second[i], both[i], 1e-4 * (scale + Math.Abs(both[i])));
        Assert.NotEqual(first, both);
    }

    [Fact]
    public void Gradient_AgainstFiniteDifferences_Agrees()
    {
        using var engine = Engine(s_small, Precision.Fp32, tokens: 32);
        var batch = Batch(s_small, rows: 32, context: 16, masked: false);
        var gradient = new float[engine.Length];
        Perturb(engine);
        engine.Gradient(batch, 1.0, gradient, add: false);
        foreach (var p in engine.Layout.Parameters)
        {
            // Along the gradient itself the slope is its norm, far above fp32's noise.
            var part = gradient.AsSpan((int)p.Offset, (int)p.Count).ToArray();
            var norm = Math.Sqrt(part.Sum(g => (double)g * g));
            var step = 2e-3 / norm;
            var slope = (Moved(step) - Moved(-step)) / (2 * step);
            Assert.Equal(norm * norm, slope, 0.02 * norm * norm);

            double Moved(double by)
            {
                var saved = engine.Parameters.Slice((int)p.Offset, (int)p.Count).ToArray();
                for (var i = 0; i < part.Length; i++)
                    engine.Parameters[(int)p.Offset + i] += (float)(by * part[i]);
                engine.ParametersChanged();
                var loss = engine.Loss(batch);
                saved.CopyTo(engine.Parameters[(int)p.Offset..]);
                engine.ParametersChanged();
                return loss;
            }
        }
    }

    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    public void Logits_FutureTokenChanged_EarlierLogitsUnchanged(Precision precision)
    {
        using var engine = Engine(s_small, precision, tokens: 16);
        var batch = Batch(s_small, rows: 16, context: 16, masked: false);
        var before = engine.Logits(batch);
        var changed = batch with { Tokens = [.. batch.Tokens] };
        changed.Tokens[9] = (changed.Tokens[9] + 1) % s_small.Vocabulary;
        var after = engine.Logits(changed);

        Assert.Equal(before[..(9 * s_small.Vocabulary)], after[..(9 * s_small.Vocabulary)]);
        Assert.NotEqual(before[(9 * s_small.Vocabulary)..], after[(9 * s_small.Vocabulary)..]);
    }

    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    public void Apply_OneBatchRepeated_Overfits(Precision precision)
    {
        using var engine = Engine(s_small, precision, tokens: 32, new AdamWOptions(WeightDecay: 0));
        var batch = Batch(s_small, rows: 32, context: 16, masked: false);
        var gradient = new float[engine.Length];
        var first = engine.Loss(batch) / 32;
        for (var step = 1; step <= 150; step++)
        {
            engine.Gradient(batch, 1.0 / 32, gradient, add: false);
            engine.Apply(gradient, TrainingEngine.Norm(gradient), 1e-2, step);
        }

        Assert.InRange(first, 3.5, 4.5);
        Assert.InRange(engine.Loss(batch) / 32, 0, 0.05);
    }

    [Fact]
    public void Apply_AgainstScalarAdamW_Agrees()
    {
        var options = new AdamWOptions(ClipNorm: 0.5);
        using var engine = Engine(s_small, Precision.Fp32, tokens: 32, options);
        var batch = Batch(s_small, rows: 32, context: 16, masked: false);
        var p = engine.Parameters.ToArray().Select(x => (double)x).ToArray();
        double[] m = new double[p.Length], v = new double[p.Length];
        for (var step = 1; step <= 3; step++)
        {
            var gradient = new float[engine.Length];
            engine.Gradient(batch, 1.0 / 32, gradient, add: false);
            var norm = TrainingEngine.Norm(gradient);
            engine.Apply(gradient, norm, 1e-3, step);
            var expectedNorm = Math.Sqrt(gradient.Sum(g => (double)g * g));
            Assert.Equal(expectedNorm, norm, 1e-9 * expectedNorm);
            Assert.True(norm > options.ClipNorm, "the gradient is too small to be clipped: nothing was tested");
            for (var i = 0; i < p.Length; i++)
            {
                var g = gradient[i] * options.ClipNorm / norm;
                m[i] = options.Beta1 * m[i] + (1 - options.Beta1) * g;
                v[i] = options.Beta2 * v[i] + (1 - options.Beta2) * g * g;
                var decay = i < engine.Layout.DecayedCount ? options.WeightDecay : 0;
                p[i] -= 1e-3 * (m[i] / (1 - Math.Pow(options.Beta1, step)) / (Math.Sqrt(v[i] / (1 - Math.Pow(options.Beta2, step))) + options.Epsilon) + decay * p[i]);
            }
        }

        for (var i = 0; i < p.Length; i++)
            Assert.Equal(p[i], engine.Parameters[i], 2e-6);
    }

    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    public void Gradient_SameBatchTwice_SameBitsInAnotherEngine(Precision precision)
    {
        using var one = Engine(s_small, precision, tokens: 32);
        using var two = Engine(s_small, precision, tokens: 32);
        var batch = Batch(s_small, rows: 32, context: 16, masked: false);
        float[] a = new float[one.Length], b = new float[one.Length], c = new float[one.Length];
        one.Gradient(batch, 1.0 / 32, a, add: false);
        two.Gradient(batch, 1.0 / 32, b, add: false);
        var swapped = batch with { Tokens = [.. batch.Tokens[16..], .. batch.Tokens[..16]], Targets = [.. batch.Targets[16..], .. batch.Targets[..16]] };
        two.Gradient(swapped, 1.0 / 32, c, add: false);

        Assert.Equal(a, b);
        Assert.NotEqual(a, c); // the same sequences in another order: another order of additions
    }

    [Fact]
    public void Gradient_Fp32OnTwoThreads_SameBits()
    {
        // Wide enough that products are split.
        var shape = s_small with { Width = 128, FeedForward = 512, Vocabulary = 512 };
        var options = new EngineOptions(shape, Precision.Fp32, 128, new AdamWOptions());
        var batch = Batch(shape, rows: 128, context: 16, masked: false);
        using var one = new TrainingEngine(options, seed: 7);
        float[] a = new float[one.Length], b = new float[one.Length];
        var loss = one.Gradient(batch, 1.0 / 128, a, add: false);
        using var two = new TrainingEngine(options with { Threads = 2 }, seed: 7);

        Assert.Equal(loss, two.Gradient(batch, 1.0 / 128, b, add: false));
        Assert.Equal(a, b);
    }

    [Fact]
    public void Logits_LongerContextThanBase_SinusoidalPositionsReachFurther()
    {
        using var engine = Engine(s_small with { MaxContext = 32 }, Precision.Fp32, tokens: 32);
        var batch = Batch(s_small, rows: 32, context: 32, masked: false);
        var expected = new ReferenceGpt(engine.Layout, engine.Parameters).Logits(batch.Tokens, 32).reshape(-1).data<double>().ToArray();
        var actual = engine.Logits(batch);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-4);
    }

    private static ModelShape ShapeOf(string name) => name switch
    {
        "default" => s_small,
        "gelu" => s_small with { Activation = Activation.Gelu },
        "rms" => s_small with { Norm = Normalization.RmsNorm },
        "rotary" => s_small with { Positions = PositionEncoding.Rotary },
        "learned" => s_small with { Positions = PositionEncoding.Learned },
        "biases" => s_small with { Biases = true },
        "grouped" => s_small with { Heads = 4, KvHeads = 2, HeadSize = 16 },
        "untied" => s_small with { TiedHead = false },
        "narrow heads" => s_small with { Heads = 4 },
        "everything" => s_small.WithEverything(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };

    /// <summary>What a written gradient must not show through.</summary>
    private static float[] Garbage(TrainingEngine engine)
    {
        var gradient = new float[engine.Length];
        Array.Fill(gradient, float.NaN);
        return gradient;
    }

    private static TrainingEngine Engine(ModelShape shape, Precision precision, int tokens, AdamWOptions? optimizer = null) =>
        new(new EngineOptions(shape, precision, tokens, optimizer ?? new AdamWOptions()), seed: 7);

    private static MicroBatch Batch(ModelShape shape, int rows, int context, bool masked)
    {
        var random = new CounterRandom(3, RandomPurpose.Synthetic, 0);
        int[] Ids(int start) => [.. Enumerable.Range(start, rows).Select(i => (int)random.Below((ulong)i, (ulong)shape.Vocabulary))];
        return new MicroBatch(Ids(0), Ids(1_000), [.. Enumerable.Range(0, rows).Select(i => (byte)(masked && i % 5 == 2 ? 0 : 1))], context);
    }

    /// <summary>Moves gains and biases off 1 and 0, where a wrong gradient could hide, and scales matrices so that every part matters.</summary>
    private static void Perturb(TrainingEngine engine)
    {
        var random = new CounterRandom(5, RandomPurpose.Synthetic, 1);
        foreach (var p in engine.Layout.Parameters)
        {
            for (var i = 0; i < p.Count; i++)
            {
                var at = (int)p.Offset + i;
                engine.Parameters[at] = p.IsMatrix ? engine.Parameters[at] * 6 : engine.Parameters[at] + (float)(random.Double((ulong)at) - 0.5) * 0.4f;
            }
        }

        engine.ParametersChanged();
    }

    private static (double Error, double Size) Difference(float[] actual, double[] expected, Parameter p)
    {
        double error = 0, size = 0;
        for (var i = p.Offset; i < p.Offset + p.Count; i++)
        {
            error += Math.Pow(actual[i] - expected[i], 2);
            size += Math.Pow(expected[i], 2);
        }

        return (Math.Sqrt(error), Math.Sqrt(size));
    }
}
