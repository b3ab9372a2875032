using System.Text.Json;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

/// <summary>
/// What Hugging Face's own library makes of our files. The files were saved by this program (600 ids learnt from a page of prose, a
/// page of code and tricky text). The encodings were recorded with version 0.23.2 of the library, through its npm package "tokenizers":
/// <c>Tokenizer.fromFile(path).encode(text, null, { addSpecialTokens: false })</c>, its <c>getIds()</c> and <c>getWordIds()</c>.
/// </summary>
public sealed class HuggingFaceTests
{
    public static TheoryData<string> Kinds => ["byte-pair", "characters"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Encode_RecordedTexts_GivesTheLibrarysIds(string kind)
    {
        var tokenizer = TokenizerFile.Load(PathOf($"{kind}.tokenizer.json"));
        var encodings = Encodings(kind);
        Assert.Equal(53, encodings.Length);
        foreach (var encoding in encodings)
            Assert.Equal(encoding.Ids, tokenizer.Encode(encoding.Text, allowSpecial: true));
    }

    /// <summary>Equal ids alone would not show where a piece ends inside a run of bytes that no merge joins.</summary>
    [Fact]
    public void PreTokenizer_RecordedTexts_CutsTheLibrarysWords()
    {
        var tokenizer = TokenizerFile.Load(PathOf("byte-pair.tokenizer.json"));
        foreach (var encoding in Encodings("byte-pair"))
            Assert.Equal(encoding.Words, Words(tokenizer, encoding.Text));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Serialize_TheFileThatTheLibraryRead_GivesItsBytes(string kind)
    {
        var path = PathOf($"{kind}.tokenizer.json");
        Assert.Equal(File.ReadAllBytes(path), TokenizerFile.Serialize(TokenizerFile.Load(path)));
    }

    /// <summary>For each token the number of the piece that it lies in; a special token is a piece of its own.</summary>
    private static List<int> Words(ITokenizer tokenizer, string text)
    {
        var words = new List<int>();
        var word = 0;
        while (true)
        {
            var special = tokenizer.Special.IndexOf(text, out _, out var length);
            for (var plain = special < 0 ? text : text[..special]; plain.Length > 0; word++)
            {
                var piece = plain[..PreTokenizer.FirstPieceLength(plain)];
                words.AddRange(Enumerable.Repeat(word, tokenizer.Encode(piece).Length));
                plain = plain[piece.Length..];
            }

            if (special < 0)
                return words;
            words.Add(word++);
            text = text[(special + length)..];
        }
    }

    private static Encoding[] Encodings(string kind) =>
        JsonSerializer.Deserialize<Encoding[]>(File.ReadAllBytes(PathOf($"{kind}.encodings.json")), JsonSerializerOptions.Web)!;

    private static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "Tokens", "Fixtures", file);

    private sealed record Encoding(string Text, int[] Ids, int[]? Words);
}
