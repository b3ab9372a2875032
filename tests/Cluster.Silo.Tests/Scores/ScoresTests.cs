using Cluster.Evaluation.Scores;

namespace Cluster.Silo.Tests.Scores;

public class ScoresTests
{
    [Theory]
    [InlineData("the cat sat", "The cat sat.", 1)]
    [InlineData("a b", "c d", 0)]
    [InlineData("", "", 1)]
    [InlineData("...", "word", 0)]
    [InlineData("a a b", "a b b", 2.0 / 3)]
    [InlineData("one two three four", "two", 0.4)]
    public void WordOverlap_F1_IsTheHarmonicMean(string reply, string answer, double expected) => Assert.Equal(expected, WordOverlap.F1(reply, answer), 12);

    [Fact]
    public void BitsPerByte_From_IsIndependentOfTheTokens()
    {
        // Uniform over 256 bytes: 8 bits a byte, whether a token is one byte or two.
        Assert.Equal(8, BitsPerByte.From(Math.Log(256), 100, 100), 12);
        Assert.Equal(8, BitsPerByte.From(2 * Math.Log(256), 50, 100), 12);
        Assert.Throws<ArgumentOutOfRangeException>(() => BitsPerByte.From(1, 1, 0));
    }
}
