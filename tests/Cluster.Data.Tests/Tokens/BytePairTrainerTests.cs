using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class BytePairTrainerTests
{
    [Fact]
    public void Train_LowLowerLowest_LearnsTheWorkedExample()
    {
        var merges = BytePairTrainer.Train(["LOW LOWER LOWEST"], Options(merges: 10));

        // L-O and O-W occur three times each: the smaller left id wins. Then LO-W (3); " "-LOW and LOW-E (2 each): " " is smaller.
        Assert.Equal([new('L', 'O'), new(256, 'W'), new(' ', 257), new(258, 'E')], merges);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Train_RandomSmallCorpora_EqualsTheNaiveTrainer(long minimumCount)
    {
        for (ulong stream = 0; stream < 120; stream++)
        {
            // Two letters make overlapping runs such as "aaaa"; the tricky text makes multi-byte pieces.
            string[] corpus = [Letters(stream, 60, 2), Letters(stream + 1000, 60, 4), TrickyText.Make(stream, 30)];
            var merges = BytePairTrainer.Train(corpus, Options(merges: 60) with { MinimumCount = minimumCount });
            Assert.Equal(NaiveBytePair.Train(corpus, 60, minimumCount), merges);
        }
    }

    [Fact]
    public void Train_AnyNumberOfWorkers_LearnsTheSameMerges()
    {
        var corpus = Enumerable.Range(0, 300).Select(i => Letters((ulong)i, 200, 5)).ToArray();
        var one = BytePairTrainer.Train(corpus, Options(200) with { Workers = 1 });
        foreach (var workers in new[] { 2, 3, 8 })
            Assert.Equal(one, BytePairTrainer.Train(corpus, Options(200) with { Workers = workers }));

        // Control: the comparison sees one document that is missing, and the order of documents does not matter.
        Assert.NotEqual(one, BytePairTrainer.Train(corpus[..^1], Options(200)));
        Assert.Equal(one, BytePairTrainer.Train(corpus.Reverse(), Options(200) with { Workers = 3 }));
    }

    [Fact]
    public void Train_OneLongDocument_IsSharedAndLearntTheSame()
    {
        // 40 lines of 20,000 characters: parts of four.
        var lines = Enumerable.Range(0, 40).Select(i => Letters((ulong)i, 20_000, 6) + '\n').ToArray();
        var one = BytePairTrainer.Train(lines, Options(300) with { Workers = 1 });
        foreach (var workers in new[] { 1, 2, 3, 8 })
            Assert.Equal(one, BytePairTrainer.Train([string.Concat(lines)], Options(300) with { Workers = workers }));
    }

    [Fact]
    public void Train_ByteCap_ReadsOnlyThatPrefix()
    {
        string[] corpus = ["abab abab ", "cdcd éé", "zzzz zzzz"];
        var capped = BytePairTrainer.Train(corpus, Options(50) with { MaximumBytes = 16, MinimumCount = 1 });

        // 10 bytes of the first, then "cdcd " and no half of the é that begins at byte 15.
        Assert.Equal(BytePairTrainer.Train(["abab abab ", "cdcd "], Options(50) with { MinimumCount = 1 }), capped);
        Assert.NotEqual(BytePairTrainer.Train(corpus, Options(50) with { MinimumCount = 1 }), capped);
    }

    [Fact]
    public void Train_PieceOfAMegabyte_Finishes()
    {
        var merges = BytePairTrainer.Train([Letters(1, 1 << 20, 4).Replace(" ", "", StringComparison.Ordinal)], Options(300));
        Assert.Equal(300, merges.Length);
    }

    [Theory]
    [InlineData(271, 2, 1, "vocabulary size is 271")]
    [InlineData(1_000_001, 2, 1, "vocabulary size is 1000001")]
    [InlineData(300, 0, 1, "minimum count is 0")]
    [InlineData(300, 2, 0, "number of workers is 0")]
    public void Train_OptionOutOfRange_NamesIt(int vocabulary, long minimumCount, int workers, string what)
    {
        var options = new BytePairTrainerOptions { VocabularySize = vocabulary, MinimumCount = minimumCount, Workers = workers };
        Assert.Contains(what, Assert.Throws<UserErrorException>(() => BytePairTrainer.Train(["a"], options)).What, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_SourceThrowsAUserError_PassesItOn()
    {
        static IEnumerable<string> Broken()
        {
            yield return "a";
            throw new UserErrorException("The file is gone.", "Bring it back.");
        }

        Assert.Equal("The file is gone.", Assert.Throws<UserErrorException>(() => BytePairTrainer.Train(Broken(), Options(5))).What);
    }

    internal static BytePairTrainerOptions Options(int merges) => new() { VocabularySize = 256 + merges + SpecialTokens.Count, Workers = 2 };

    internal static string Letters(ulong stream, int length, int letters)
    {
        var random = new CounterRandom(3, RandomPurpose.Synthetic, stream);
        return string.Create(length, random, (span, r) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = r.Below((ulong)i, 7) == 0 ? ' ' : (char)('a' + r.Below((ulong)(i + length), (ulong)letters));
        });
    }
}
