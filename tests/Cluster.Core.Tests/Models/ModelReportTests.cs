using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Core.Tests.Models;

public class ModelReportTests
{
    [Fact]
    public void Of_SmallShape_CountsByHand()
    {
        // Width 32, 2 heads of 16, 1 for keys and values, feed-forward 64, 2 layers, vocabulary 48, RMSNorm, no biases.
        var report = ModelReport.Of(new ModelShape { Layers = 2, Width = 32, Heads = 2, KvHeads = 1, FeedForward = 64, Vocabulary = 48, Context = 8, Norm = Normalization.RmsNorm });
        Assert.Equal(
        [
            ("token_embedding", 48L * 32),
            ("attention", 2L * ((32 + 16 + 16) * 32 + 32 * 32)),
            ("feed_forward", 2L * (3 * 64 * 32)),
            ("norms", 5L * 32),
        ], report.Parts.Select(part => (part.Part, part.Parameters)));
        var outside = 6_144 + 12_288 + 160;
        Assert.Equal((outside + 1_536L, (long)outside), (report.Parameters, report.NonEmbeddingParameters));
        Assert.Equal((6L * outside, 6L * 48 * 32, 12L * 2 * 2 * 16 * 8), (report.FlopsPerTokenParameters, report.FlopsPerTokenHead, report.FlopsPerTokenAttention));
        Assert.Equal(report.FlopsPerTokenParameters + report.FlopsPerTokenHead + report.FlopsPerTokenAttention, report.FlopsPerToken);
        Assert.Equal((2L * 2 * 16 * 4, 2L * 2 * 16 * 2), (report.KvCacheBytesPerTokenFp32, report.KvCacheBytesPerTokenBf16));
        Assert.Equal((4 * report.Parameters, 2 * report.Parameters, 16 * report.Parameters), (report.BytesFp32, report.BytesBf16, report.TrainingBytes));
    }

    [Theory]
    [InlineData(true, true, PositionEncoding.Learned)]
    [InlineData(false, false, PositionEncoding.Rotary)]
    [InlineData(false, true, PositionEncoding.Sinusoidal)]
    public void Of_AnyShape_PartsAddUp(bool tied, bool biases, PositionEncoding positions)
    {
        var shape = new ModelShape { Vocabulary = 512, TiedHead = tied, Biases = biases, Positions = positions };
        var report = ModelReport.Of(shape);
        Assert.Equal(new ParameterLayout(shape).ParameterCount, report.Parameters);
        Assert.Equal(report.Parameters, report.Parts.Sum(part => part.Parameters));
        Assert.Equal(1, report.Parts.Sum(part => part.Share), 12);
        Assert.Equal(!tied, report.Parts.Any(part => part.Part == "head"));
        // An untied head is counted once, as a product, not once more among the other parameters.
        Assert.Equal(ModelReport.Of(shape with { TiedHead = true }).FlopsPerToken, report.FlopsPerToken);
    }

    [Fact]
    public void ShapeOf_Recipes_KnowsVocabularyAndLongestContext()
    {
        var demo = ModelReport.ShapeOf(NamedRecipes.Get("demo"));
        Assert.Equal((4_096, 512), (demo.Vocabulary, demo.MaxContext));
        Assert.Equal(272, ModelReport.ShapeOf(new Recipe { Tokenizer = new TokenizerRecipe { Kind = TokenizerKind.Bytes } }).Vocabulary);
        Assert.Equal(304, ModelReport.ShapeOf(new Recipe { Tokenizer = new TokenizerRecipe { Vocabulary = 300 } }).Vocabulary);
        Assert.Equal(96, ModelReport.ShapeOf(NamedRecipes.Get("shakespeare-char")).Vocabulary);
    }
}
