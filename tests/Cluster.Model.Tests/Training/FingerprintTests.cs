using Cluster.Core.Models;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;

namespace Cluster.Model.Tests.Training;

public class FingerprintTests
{
    private static readonly ModelShape s_shape = new() { Layers = 1, Width = 32, Heads = 2, Context = 16, Vocabulary = 48, FeedForward = 64 };

    [Fact]
    public void Of_EqualArithmetic_IsEqualWhateverTheCopy() => Assert.Equal(Of(Precision.Fp32, 1e-8), Of(Precision.Fp32, 1e-8));

    [Fact]
    public void Of_OtherPrecisionOrOptimizer_Differs()
    {
        Assert.NotEqual(Of(Precision.Fp32, 1e-8), Of(Precision.Bf16, 1e-8));
        Assert.NotEqual(Of(Precision.Fp32, 1e-8), Of(Precision.Fp32, 1e-6));
    }

    private static string Of(Precision precision, double epsilon)
    {
        using var engine = new TrainingEngine(new EngineOptions(s_shape, precision, 32, new AdamWOptions(Epsilon: epsilon)), 7);
        return Fingerprint.Of(engine, 32, 16, new float[engine.Length]);
    }
}
