using System.Text;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class CharacterTokenizerTests
{
    private static readonly CharacterTokenizer Tokenizer = CharacterTokenizer.Train(["ba", "\U0001F600é"]);

    [Fact]
    public void Train_Documents_SortsTheirCodePoints()
    {
        Assert.Equal(["a", "b", "é", "\uFFFD", "\U0001F600"], Tokenizer.Alphabet.Select(rune => rune.ToString()));
        Assert.Equal(5 + 16, Tokenizer.VocabularySize);
        Assert.Equal([1, 0, 4, 2], Tokenizer.Encode("ba\U0001F600é"));
    }

    [Fact]
    public void Encode_UnknownCodePoint_IsTheReplacementCharacter() => Assert.Equal("a\uFFFDb", Tokenizer.Decode(Tokenizer.Encode("azb")));

    [Fact]
    public void EncodeBytes_Utf8_EqualsEncode() => Assert.Equal(Tokenizer.Encode("bé"), Tokenizer.EncodeBytes(Encoding.UTF8.GetBytes("bé")));

    [Fact]
    public void Encode_SpecialSpelling_BecomesItsTokenOnlyWhenAllowed()
    {
        Assert.DoesNotContain(Tokenizer.Encode("<|user|>"), Tokenizer.Special.Contains);
        Assert.Equal([0, Tokenizer.Special.User, 1], Tokenizer.Encode("a<|user|>b", allowSpecial: true));
    }
}
