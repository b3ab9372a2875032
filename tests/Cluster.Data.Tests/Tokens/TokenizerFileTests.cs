using System.Text;
using System.Text.Json.Nodes;
using Cluster.Core.Errors;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class TokenizerFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tokenizer-file-").FullName;

    public static TheoryData<string> Kinds => ["bpe", "bytes", "characters"];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Load_OfASavedTokenizer_GivesTheSameIds(string kind)
    {
        var tokenizer = Make(kind);
        var path = Path.Combine(_folder, "new", "tokenizer.json");
        TokenizerFile.Save(tokenizer, path);
        TokenizerFile.Save(tokenizer, path);
        var loaded = TokenizerFile.Load(path);

        Assert.Equal(tokenizer.GetType(), loaded.GetType());
        Assert.Equal(tokenizer.VocabularySize, loaded.VocabularySize);
        Assert.Equal(TokenizerFile.Sha256(tokenizer), TokenizerFile.Sha256(loaded));
        Assert.Equal(["tokenizer.json"], Directory.GetFiles(Path.GetDirectoryName(path)!).Select(Path.GetFileName));
        for (ulong stream = 0; stream < 50; stream++)
            Assert.Equal(tokenizer.Encode(TrickyText.Make(stream, 40), true), loaded.Encode(TrickyText.Make(stream, 40), true));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Parse_TruncatedContent_IsRefused(string kind)
    {
        var content = TokenizerFile.Serialize(Make(kind));
        for (var length = 0; length < content.Length - 2; length += 1 + content.Length / 100)
            Assert.Throws<UserErrorException>(() => TokenizerFile.Parse(content.AsMemory(0, length), "x"));
        TokenizerFile.Parse(content, "x");
    }

    [Fact]
    public void Parse_AnyPartAltered_IsRefused()
    {
        Action<JsonNode>[] alterations =
        [
            root => root["version"] = "2.0",
            root => root["extra"] = 1,
            root => root["added_tokens"]![0]!["id"] = 5,
            root => root["added_tokens"]!.AsArray().RemoveAt(3),
            root => root["added_tokens"]![1]!["content"] = "<|other|>",
            root => root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = @"\w+",
            root => root["decoder"] = null,
            root => root["model"]!["type"] = "Unigram",
            root => root["model"]!["dropout"] = 0.1,
            root => root["model"]!["vocab"]!["a"] = 98,
            root => root["model"]!["vocab"]!["b"] = "98",
            root => root["model"]!["vocab"]!["new"] = 9999,
            root => root["model"]!.AsObject().Remove("vocab"),
            root => root["model"]!["merges"]!.AsArray().RemoveAt(0),
            root => root["model"]!["merges"]!.AsArray().RemoveAt(299),
            root => root["model"]!["merges"]![7] = "a a a",
            root => root["model"]!["merges"]![7] = "ab",
            root => root["model"]!["merges"]![7] = 7,
            root => (root["model"]!["merges"]![0], root["model"]!["merges"]![1]) =
                (root["model"]!["merges"]![1]!.DeepClone(), root["model"]!["merges"]![0]!.DeepClone()),
        ];
        var content = Encoding.UTF8.GetString(TokenizerFile.Serialize(Make("bpe")));
        for (var i = 0; i < alterations.Length; i++)
        {
            var root = JsonNode.Parse(content)!;
            TokenizerFile.Parse(Encoding.UTF8.GetBytes(root.ToJsonString()), "x");
            alterations[i](root);
            var altered = Encoding.UTF8.GetBytes(root.ToJsonString());
            Assert.True(Record.Exception(() => TokenizerFile.Parse(altered, "x")) is UserErrorException, $"Alteration {i}");
        }
    }

    [Fact]
    public void Serialize_TwoTokenizers_DifferInHash() =>
        Assert.NotEqual(TokenizerFile.Sha256(Make("bpe")), TokenizerFile.Sha256(((BytePairTokenizer)Make("bpe")).WithFirstMerges(299)));

    [Fact]
    public void Serialize_ByteLevelTokens_AreSpelledAsGpt2Does()
    {
        var model = JsonNode.Parse(TokenizerFile.Serialize(new BytePairTokenizer([new(' ', 't'), new(256, '\n'), new(0xAD, 0xFF)])))!["model"]!;
        Assert.Equal(["Ġ t", "Ġt Ċ", "Ń ÿ"], model["merges"]!.AsArray().Select(merge => (string)merge!));
        Assert.Equal(257, (int)model["vocab"]!["ĠtĊ"]!);
        Assert.Equal(0, (int)model["vocab"]!["Ā"]!);
    }

    [Fact]
    public void Serialize_LongestMatch_IsRefused() =>
        Assert.Throws<UserErrorException>(() => TokenizerFile.Serialize(new BytePairTokenizer([], Segmentation.LongestMatch)));

    [Fact]
    public void Load_MissingFile_NamesIt()
    {
        var path = Path.Combine(_folder, "none.json");
        Assert.Contains(path, Assert.Throws<UserErrorException>(() => TokenizerFile.Load(path)).What, StringComparison.Ordinal);
    }

    [Fact]
    public void Save_FolderIsAFile_LeavesItUnharmed()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "kept");
        Assert.Throws<UserErrorException>(() => TokenizerFile.Save(Make("bytes"), Path.Combine(file, "tokenizer.json")));
        Assert.Equal("kept", File.ReadAllText(file));
    }

    private static ITokenizer Make(string kind) => kind switch
    {
        "bpe" => BytePairTokenizerTests.Trained(Segmentation.MergeOrder),
        "bytes" => BytePairTokenizer.OfBytes(),
        _ => CharacterTokenizer.Train([TrickyText.Make(1, 200)]),
    };
}
