using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Inference.Managed;

namespace Cluster.Inference.Tests;

/// <summary>Small models whose every part matters, for all options of a shape.</summary>
internal static class TestModels
{
    public const int Context = 48;

    public static readonly ModelShape Small = new() { Layers = 2, Width = 32, Heads = 2, Context = Context, Vocabulary = 80, FeedForward = 64 };

    public static TheoryData<string> Shapes() =>
        ["default", "gelu", "rms", "rotary", "learned", "biases", "grouped", "untied", "narrow heads", "wide", "everything"];

    public static ModelShape ShapeOf(string name) => name switch
    {
        "default" => Small,
        "gelu" => Small with { Activation = Activation.Gelu },
        "rms" => Small with { Norm = Normalization.RmsNorm },
        "rotary" => Small with { Positions = PositionEncoding.Rotary },
        "learned" => Small with { Positions = PositionEncoding.Learned },
        "biases" => Small with { Biases = true },
        "grouped" => Small with { Heads = 4, KvHeads = 2, HeadSize = 16 },
        "untied" => Small with { TiedHead = false },
        "narrow heads" => Small with { Heads = 4 },
        "wide" => Small with { Width = 144, Heads = 3, FeedForward = 208, Vocabulary = 272 }, // panels of all widths
        "everything" => Small with
        {
            Activation = Activation.Gelu,
            Norm = Normalization.RmsNorm,
            Positions = PositionEncoding.Rotary,
            Biases = true,
            TiedHead = false,
            Heads = 4,
            KvHeads = 2,
            HeadSize = 40,
        },
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };

    /// <summary>Gains and biases off 1 and 0, matrices several times their initial size: logits of a few units.</summary>
    public static float[] Parameters(ParameterLayout layout)
    {
        var parameters = new float[layout.TotalCount];
        ParameterInitialiser.Fill(parameters, layout, seed: 7);
        var random = new CounterRandom(5, RandomPurpose.Synthetic, 1);
        foreach (var p in layout.Parameters)
        {
            for (var at = (int)p.Offset; at < p.Offset + p.Count; at++)
                parameters[at] = p.IsMatrix ? parameters[at] * 6 : parameters[at] + (float)(random.Double((ulong)at) - 0.5) * 0.4f;
        }

        return parameters;
    }

    public static ManagedDecoder Decoder(ModelShape shape, DecodePrecision precision = DecodePrecision.Fp32, int cacheTokens = 0)
    {
        var layout = new ParameterLayout(shape);
        return new ManagedDecoder(layout, Parameters(layout), precision, cacheTokens);
    }

    public static int[] Ids(int count, int vocabulary, ulong stream = 0)
    {
        var random = new CounterRandom(3, RandomPurpose.Synthetic, stream);
        return [.. Enumerable.Range(0, count).Select(i => (int)random.Below((ulong)i, (ulong)vocabulary))];
    }
}
