using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Tokens;
using CsCheck;

namespace Cluster.Data.Tests.Tokens;

public sealed class BytePairTokenizerTests
{
    private static readonly BytePairTokenizer Tokenizer = Trained(Segmentation.MergeOrder);

    [Fact]
    public void EncodeBytes_ArbitraryBytes_ComeBackUnchanged() =>
        Gen.Byte.Array[0, 200].Sample(bytes => Bytes(Tokenizer, Tokenizer.EncodeBytes(bytes)).SequenceEqual(bytes), iter: 3000, seed: "0000KOIPe036");

    [Fact]
    public void EncodeBytes_ValidUtf8_EqualsEncode()
    {
        for (ulong stream = 0; stream < 300; stream++)
        {
            var text = TrickyText.Make(stream, 30, loneSurrogates: false);
            Assert.Equal(Tokenizer.Encode(text), Tokenizer.EncodeBytes(Encoding.UTF8.GetBytes(text)));
        }
    }

    [Theory]
    [InlineData(Segmentation.MergeOrder)]
    [InlineData(Segmentation.LongestMatch)]
    public void Decode_OfEncodedText_IsTheText(Segmentation segmentation)
    {
        var tokenizer = Trained(segmentation);
        for (ulong stream = 0; stream < 300; stream++)
        {
            var text = TrickyText.Make(stream, 40, loneSurrogates: false);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    [Fact]
    public void Encode_RandomText_EqualsNaiveBytePairEncoding()
    {
        for (ulong stream = 0; stream < 300; stream++)
        {
            // Few letters and no spaces make pieces on both sides of the bound between the two methods.
            var text = TrickyText.Make(stream, 20) + BytePairTrainerTests.Letters(stream, 100, 2).Replace(" ", stream % 2 == 0 ? "" : " ", StringComparison.Ordinal);
            var expected = NaiveBytePair.Pieces(text).SelectMany(piece => NaiveBytePair.Encode(Encoding.UTF8.GetBytes(piece), Tokenizer.Merges));
            Assert.Equal(expected, Tokenizer.Encode(text));
            Assert.Equal(expected, Tokenizer.Encode(text));
        }
    }

    [Fact]
    public void Encode_PieceOfAMegabyte_Finishes()
    {
        foreach (var text in new[] { new string('a', 1 << 20), BytePairTrainerTests.Letters(9, 1 << 20, 3).Replace(" ", "", StringComparison.Ordinal) })
        {
            // A quadratic method would take the better part of an hour.
            var ids = Tokenizer.Encode(text);
            Assert.Equal(text, Tokenizer.Decode(ids));
            Assert.True(ids.Length < text.Length);
        }
    }

    [Fact]
    public void Encode_LongestMatch_TakesTheLongestTokenFromTheLeft()
    {
        // "bc" is learnt first, so merge order cuts "abc" as a|bc; the longest token from the left is ab.
        Merge[] merges = [new('b', 'c'), new('a', 'b')];
        Assert.Equal(['a', 256], new BytePairTokenizer(merges).Encode("abc"));
        Assert.Equal([257, 'c'], new BytePairTokenizer(merges, Segmentation.LongestMatch).Encode("abc"));
    }

    [Fact]
    public void Encode_TextSpellingSpecialTokens_MakesThemOnlyWhenAllowed()
    {
        var text = "<|user|>hi<|endoftext|><|<|pad|>";
        var special = Tokenizer.Special;
        Assert.DoesNotContain(Tokenizer.Encode(text), special.Contains);
        Assert.Equal([special.User, .. Tokenizer.Encode("hi"), special.EndOfText, .. Tokenizer.Encode("<|"), special.Pad], Tokenizer.Encode(text, allowSpecial: true));
        Assert.Equal(text, Tokenizer.Decode(Tokenizer.Encode(text)));
        Assert.Equal(text, Tokenizer.Decode(Tokenizer.Encode(text, allowSpecial: true)));
    }

    [Fact]
    public void Special_Tokens_AreTheLastSixteenIds()
    {
        Assert.Equal(Tokenizer.VocabularySize, Tokenizer.Special.FirstId + 16);
        Assert.Equal(16, SpecialTokens.Spellings.Distinct().Count());
        Assert.Equal("<|reserved_9|>", Tokenizer.Decode([Tokenizer.VocabularySize - 1]));
        Assert.Equal(Tokenizer.VocabularySize - 1, Tokenizer.Special.Reserved(9));
        Assert.Equal(272, BytePairTokenizer.OfBytes().VocabularySize);
    }

    [Fact]
    public void Encode_WithoutMerges_IsTheBytes() =>
        Assert.Equal(Encoding.UTF8.GetBytes("né\n").Select(b => (int)b), BytePairTokenizer.OfBytes().Encode("né\n"));

    [Fact]
    public void Encode_LoneSurrogate_ReadsAsTheReplacementCharacter() => Assert.Equal("a\uFFFDb", Tokenizer.Decode(Tokenizer.Encode("a\uD83Db")));

    [Theory]
    [InlineData(-1)]
    [InlineData(1 << 30)]
    public void Decode_IdOutsideTheVocabulary_NamesIt(int id) =>
        Assert.Contains(id.ToString(System.Globalization.CultureInfo.InvariantCulture), Assert.Throws<UserErrorException>(() => Tokenizer.Decode([id])).What, StringComparison.Ordinal);

    [Fact]
    public void Constructor_ImpossibleMerges_AreRefused()
    {
        Assert.Throws<UserErrorException>(() => new BytePairTokenizer([new('a', 256)]));
        Assert.Throws<UserErrorException>(() => new BytePairTokenizer([new(-1, 'a')]));
        Assert.Throws<UserErrorException>(() => new BytePairTokenizer([new('a', 'b'), new('a', 'b')]));
        Assert.Throws<UserErrorException>(() => new BytePairTokenizer([new('a', 'b'), new('b', 'c'), new('a', 257), new(256, 'c')]));

        // Each merge doubles the token: 2^11 bytes are too many, and a forged file could ask for 2^60.
        var doubling = Enumerable.Range(0, 11).Select(i => i == 0 ? new Merge('a', 'a') : new Merge(255 + i, 255 + i)).ToArray();
        Assert.Equal(1024, new BytePairTokenizer(doubling[..10]).TokenBytes(265).Length);
        Assert.Throws<UserErrorException>(() => new BytePairTokenizer(doubling));
    }

    [Fact]
    public void Encode_FromManyThreads_GivesTheSameIds()
    {
        var tokenizer = Trained(Segmentation.MergeOrder);
        var texts = Enumerable.Range(0, 200).Select(i => TrickyText.Make((ulong)i % 50, 40)).ToArray();
        var ids = texts.AsParallel().AsOrdered().WithDegreeOfParallelism(8).Select(text => tokenizer.Encode(text)).ToArray();
        Assert.Equal(texts.Select(text => Tokenizer.Encode(text)), ids);
    }

    internal static BytePairTokenizer Trained(Segmentation segmentation)
    {
        var corpus = Enumerable.Range(0, 40).Select(i => TrickyText.Make((ulong)i + 50_000, 60) + BytePairTrainerTests.Letters((ulong)i, 80, 2));
        return new BytePairTokenizer(BytePairTrainer.Train(corpus, BytePairTrainerTests.Options(300)), segmentation);
    }

    private static byte[] Bytes(BytePairTokenizer tokenizer, int[] ids) => [.. ids.SelectMany(id => tokenizer.TokenBytes(id).ToArray())];
}
