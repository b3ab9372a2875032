using Cluster.Core.Errors;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class VocabularyTableTests
{
    [Fact]
    public void Measure_PrefixOfTheMerges_EqualsTrainingForThatSize()
    {
        string[] corpus = [.. Enumerable.Range(0, 40).Select(i => BytePairTrainerTests.Letters((ulong)i, 200, 6))];
        var rows = VocabularyTable.Measure(new BytePairTokenizer(BytePairTrainer.Train(corpus, BytePairTrainerTests.Options(200))), corpus, [272, 300, 472]);

        Assert.Equal(1, rows[0].BytesPerToken);
        Assert.True(rows[0].Tokens > rows[1].Tokens && rows[1].Tokens > rows[2].Tokens);
        foreach (var row in rows)
        {
            var own = new BytePairTokenizer(BytePairTrainer.Train(corpus, BytePairTrainerTests.Options(row.VocabularySize - 272)));
            Assert.Equal(corpus.Sum(text => own.Encode(text).Length), row.Tokens);
            Assert.Equal(8000, row.Bytes);
        }
    }

    [Fact]
    public void Measure_SizeOutOfRangeOrNoText_IsRefused()
    {
        var tokenizer = BytePairTokenizer.OfBytes();
        Assert.Contains("271", Assert.Throws<UserErrorException>(() => VocabularyTable.Measure(tokenizer, ["a"], [271])).What, StringComparison.Ordinal);
        Assert.Contains("273", Assert.Throws<UserErrorException>(() => VocabularyTable.Measure(tokenizer, ["a"], [273])).What, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => VocabularyTable.Measure(tokenizer, [""], [272]));
    }
}
