using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Model.Optimizer;
using Cluster.Model.Pruning;
using Cluster.Model.Training;

namespace Cluster.Model.Tests.Pruning;

public class PruningTests
{
    private const int Context = 16;

    private static readonly ModelShape s_small = new ModelShape { Layers = 2, Width = 32, Heads = 4, HeadSize = 16, Context = Context, Vocabulary = 48, FeedForward = 64 }.Resolved();

    public static TheoryData<string> Shapes() => ["default", "gelu", "grouped", "biases", "rotary"];

    [Fact]
    public void Schedule_Ramp_IsCubicAndEndsAtHalf()
    {
        var schedule = new PruningSchedule(0.8, 200);
        Assert.Equal(0, schedule[0]);
        Assert.Equal(0.8 * (1 - 0.125), schedule[50], 12);
        Assert.Equal(0.8, schedule[100]);
        Assert.Equal(0.8, schedule[200]);
        var events = Enumerable.Range(0, 201).Where(step => schedule.PrunesAt(step)).ToArray();
        Assert.Equal(100, events[^1]);
        Assert.Equal(20, events.Length);
        Assert.Equal([0], Enumerable.Range(0, 1).Where(step => new PruningSchedule(0.5, 0).PrunesAt(step)));
        Assert.Equal(0.5, new PruningSchedule(0.5, 0)[0]);
    }

    [Theory]
    [InlineData(MagnitudeScope.Layer)]
    [InlineData(MagnitudeScope.Global)]
    public void Magnitude_Share_TakesExactlyTheSmallest(MagnitudeScope scope)
    {
        var layout = new ParameterLayout(s_small);
        var parameters = Parameters(layout);
        var down = layout["blocks.1.feed_forward.down.weight"];
        foreach (ref var value in parameters.AsSpan((int)down.Offset, (int)down.Count))
            value *= 0.01f;
        var mask = MagnitudePruning.Mask(layout, parameters, 0.3, scope);
        var matrices = layout.Parameters.Where(p => p.IsMatrix && p.Name.StartsWith("blocks.", StringComparison.Ordinal)).ToArray();
        var shares = matrices.ToDictionary(p => p.Name, p => (double)Pruned(p).Count(gone => gone) / p.Count);
        if (scope == MagnitudeScope.Layer)
            Assert.All(shares.Values, share => Assert.InRange(share, 0.299, 0.3));
        else
            Assert.Equal(1, shares[down.Name]);
        Assert.Equal(scope == MagnitudeScope.Global ? Whole(MagnitudePruning.Prunable(layout)) : matrices.Sum(p => Whole(p.Count)), mask.Count);

        // Nothing that stays is smaller than what goes, wherever both are compared.
        foreach (var group in scope == MagnitudeScope.Global ? [matrices] : matrices.Select(p => (Parameter[])[p]))
        {
            var gone = group.SelectMany(p => Values(p).Where((_, i) => Pruned(p)[i])).DefaultIfEmpty(0).Max();
            var stay = group.SelectMany(p => Values(p).Where((_, i) => !Pruned(p)[i])).DefaultIfEmpty(1).Min();
            Assert.True(gone <= stay);
        }

        Assert.DoesNotContain(true, layout.Parameters.Except(matrices).SelectMany(Pruned));
        mask.Apply(parameters);
        Assert.Equal(mask.Count, matrices.Sum(p => Values(p).LongCount(v => v == 0)));

        static long Whole(long count) => (long)Math.Floor(0.3 * count);
        bool[] Pruned(Parameter p) => [.. Enumerable.Range(0, (int)p.Count).Select(i => mask[p.Offset + i])];
        IEnumerable<float> Values(Parameter p) => parameters.AsSpan((int)p.Offset, (int)p.Count).ToArray().Select(MathF.Abs);
    }

    [Fact]
    public void Magnitude_EqualMagnitudes_ExactCountAndGrowingSharesNest()
    {
        var layout = new ParameterLayout(s_small);
        var parameters = new float[layout.TotalCount];
        Array.Fill(parameters, 0.5f);
        var before = MagnitudePruning.Mask(layout, parameters, 0.25, MagnitudeScope.Global);
        before.Apply(parameters);
        var after = MagnitudePruning.Mask(layout, parameters, 0.5, MagnitudeScope.Global);
        Assert.Equal(MagnitudePruning.Prunable(layout) / 4, before.Count);
        Assert.Equal(MagnitudePruning.Prunable(layout) / 2, after.Count);
        for (var i = 0; i < layout.TotalCount; i++)
            Assert.True(!before[i] || after[i]);
    }

    // What the smaller model computes is what the whole one computes with the units' weights zero.
    [Theory]
    [MemberData(nameof(Shapes))]
    public void Compact_AnyShape_LogitsOfTheMaskedModel(string name)
    {
        var shape = Of(name);
        var layout = new ParameterLayout(shape);
        var parameters = Parameters(layout);
        var (heads, neurons) = StructuredPruning.Stay(shape, 0.5, 0.4);
        Assert.Equal((shape.KvHeads / 2, 48), (heads, neurons));
        var kept = StructuredPruning.Choose(StructuredPruning.Magnitude(layout, parameters), heads, neurons);
        var smaller = new ParameterLayout(StructuredPruning.Shape(shape, heads, neurons));
        var compact = StructuredPruning.Compact(layout, parameters, kept, smaller);
        var mask = StructuredPruning.Mask(layout, kept);
        Assert.Equal(layout.ParameterCount - smaller.ParameterCount, mask.Count);
        var whole = Logits(shape, parameters);
        mask.Apply(parameters);
        float[] masked = Logits(shape, parameters), small = Logits(smaller.Shape, compact);
        Assert.Equal(masked.Length, small.Length);
        Assert.InRange(Distance(masked, small), 0, 1e-5);
        Assert.True(Distance(whole, small) > 1e-3, "nothing was lost with half of the heads");
    }

    [Fact]
    public void Compact_OtherUnitPlanted_OtherLogits()
    {
        var layout = new ParameterLayout(s_small);
        var parameters = Parameters(layout);
        var kept = StructuredPruning.Choose(StructuredPruning.Magnitude(layout, parameters), 2, 48);
        var smaller = new ParameterLayout(StructuredPruning.Shape(s_small, 2, 48));
        var right = StructuredPruning.Compact(layout, parameters, kept, smaller);
        kept.Heads[1][0] = Enumerable.Range(0, 4).Except(kept.Heads[1]).First();
        var wrong = StructuredPruning.Compact(layout, parameters, kept, smaller);
        Assert.True(Distance(Logits(smaller.Shape, right), Logits(smaller.Shape, wrong)) > 1e-4);
    }

    // A gate on a unit's output: its slope by differences is what the sensitivity says.
    [Fact]
    public void Sensitivity_OfHeadAndNeuron_IsTheSlopeOfTheirGate()
    {
        var layout = new ParameterLayout(s_small);
        using var engine = Engine(s_small);
        var parameters = Parameters(layout);
        parameters.CopyTo(engine.Parameters);
        engine.ParametersChanged();
        var batch = Batch();
        var gradient = new float[engine.Length];
        engine.Gradient(batch, 1, gradient, add: false);
        var importance = StructuredPruning.Zero(layout.Shape);
        StructuredPruning.AddSensitivity(layout, engine.Parameters, gradient, importance);
        Assert.Equal(Slope("blocks.1.attention.output.weight", 2 * 16, 16), importance.Heads[1][2], importance.Heads[1].Max() * 0.02);
        Assert.Equal(Slope("blocks.0.feed_forward.down.weight", 5, 1), importance.Neurons[0][5], importance.Neurons[0].Max() * 0.02);

        double Slope(string name, int column, int count)
        {
            return Math.Abs(LossAt(1.02f) - LossAt(0.98f)) / 0.04;

            double LossAt(float gate)
            {
                parameters.CopyTo(engine.Parameters);
                var p = layout[name];
                for (var row = 0; row < p.Rows; row++)
                {
                    foreach (ref var value in engine.Parameters.Slice((int)p.Offset + row * p.Columns + column, count))
                        value *= gate;
                }

                engine.ParametersChanged();
                return engine.Loss(batch);
            }
        }
    }

    [Theory]
    [InlineData(0.0, 0.0, 4, 64)]
    [InlineData(0.24, 0.2, 4, 64)]
    [InlineData(0.25, 0.25, 3, 48)]
    [InlineData(0.99, 0.99, 1, 16)]
    public void Stay_Shares_WholeUnitsOfWholeVectors(double heads, double neurons, int stayHeads, int stayNeurons) =>
        Assert.Equal((stayHeads, stayNeurons), StructuredPruning.Stay(s_small, heads, neurons));

    [Fact]
    public void Stay_NarrowHeads_WidthStaysAMultipleOf16() =>
        Assert.Equal(2, StructuredPruning.Stay((s_small with { HeadSize = 8 }).Resolved(), 0.75, 0).Heads);

    private static ModelShape Of(string name) => name switch
    {
        "gelu" => s_small with { Activation = Activation.Gelu },
        "grouped" => s_small with { KvHeads = 2 },
        "biases" => s_small with { Biases = true },
        "rotary" => s_small with { Positions = PositionEncoding.Rotary },
        _ => s_small,
    };

    private static float[] Parameters(ParameterLayout layout)
    {
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, 3);
        var random = new CounterRandom(4, RandomPurpose.Synthetic, 0);
        foreach (var p in layout.Parameters)
        {
            for (var at = (int)p.Offset; at < p.Offset + p.Count; at++)
                parameters[at] = p.IsMatrix ? parameters[at] * 6 : parameters[at] + (float)(random.Double((ulong)at) - 0.5) * 0.4f;
        }

        return parameters;
    }

    private static TrainingEngine Engine(ModelShape shape) => new(new EngineOptions(shape, Precision.Fp32, Context, new AdamWOptions()), 1);

    private static MicroBatch Batch()
    {
        int[] ids = [.. Enumerable.Range(0, Context + 1).Select(i => i * 7 % 48)];
        return new MicroBatch(ids[..Context], ids[1..], [.. Enumerable.Repeat((byte)1, Context)], Context);
    }

    private static float[] Logits(ModelShape shape, float[] parameters)
    {
        using var engine = Engine(shape);
        parameters.CopyTo(engine.Parameters);
        engine.ParametersChanged();
        return engine.Logits(Batch());
    }

    private static double Distance(float[] a, float[] b) =>
        Math.Sqrt(a.Zip(b, (x, y) => (double)(x - y) * (x - y)).Sum() / a.Sum(x => (double)x * x));
}
