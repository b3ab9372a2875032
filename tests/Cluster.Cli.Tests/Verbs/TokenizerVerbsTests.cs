using System.Text;
using System.Text.Json;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Tests.Verbs;

public sealed class TokenizerVerbsTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _tokenizer;

    public TokenizerVerbsTests()
    {
        _tokenizer = _folder.In("tokenizer.json");
        // 256 = "LO", 257 = "LOW", 258 = " LOW", 259 = "ER": the special tokens follow, <|user|> fourth.
        TokenizerFile.Save(new BytePairTokenizer([new('L', 'O'), new(256, 'W'), new(' ', 257), new('E', 'R')]), _tokenizer);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("LOW LOWER", "[257,258,259]")]
    [InlineData("", "[]")]
    [InlineData("é", "[195,169]")]
    [InlineData("@L", "[64,76]")]
    [InlineData("<|user|>", "[60,124,117,115,101,114,124,62]")]
    public async Task Encode_Text_PrintsIds(string text, string ids) =>
        Assert.Equal((0, ids + "\n", ""), Tuple(await Cli.RunAsync("tokenizer", "encode", "--tokenizer", _tokenizer, "--text", text)));

    [Fact]
    public async Task Encode_SpecialAllowed_IsTheToken()
    {
        var result = await Cli.RunAsync("tokenizer", "encode", "--tokenizer", _tokenizer, "--text", "LOW<|user|>", "--allow-special");
        Assert.Equal("[257,263]\n", result.Output);
        var input = await new Cli { Input = "LOW<|user|>"u8.ToArray() }.ThenAsync("tokenizer", "encode", "--tokenizer", _tokenizer, "--allow-special");
        Assert.Equal(result.Output, input.Output);
    }

    [Fact]
    public async Task Encode_ThenDecode_AnyBytesComeBack()
    {
        byte[] bytes = [.. "LOWER <|user|> é\r\n"u8, 0xFF, 0x00, 0x1B, 0xC3, .. "🙂\n\n"u8];
        var encoded = await new Cli { Input = bytes }.ThenAsync("tokenizer", "encode", "--tokenizer", _tokenizer);
        var decoded = await new Cli { Input = encoded.OutputBytes }.ThenAsync("tokenizer", "decode", "--tokenizer", _tokenizer);
        Assert.Equal(0, decoded.Code);
        Assert.Equal(bytes, decoded.OutputBytes);
    }

    [Theory]
    [InlineData("[257,258]")]
    [InlineData("[257,", "258]")]
    public async Task Decode_Argument_PrintsText(params string[] ids) =>
        Assert.Equal((0, "LOW LOW", ""), Tuple(await Cli.RunAsync(["tokenizer", "decode", "--tokenizer", _tokenizer, .. ids])));

    [Fact]
    public async Task Decode_OnTerminal_CannotMoveTheCursor()
    {
        var result = await new Cli { IsTerminal = true }.ThenAsync("tokenizer", "decode", "--tokenizer", _tokenizer, "[27,91,50,74,257]");
        Assert.Equal("\uFFFD[2JLOW\n", result.Output);
    }

    [Theory]
    [InlineData("[1,", "is no JSON array of ids")]
    [InlineData("{}", "is no JSON array of ids")]
    [InlineData("null", "is no JSON array of ids")]
    [InlineData("[1.5]", "is no JSON array of ids")]
    [InlineData("[99999]", "99999")]
    [InlineData("[-1]", "-1")]
    public async Task Decode_NoIds_IsUserError(string ids, string part) =>
        Cli.AssertUserError(await Cli.RunAsync("tokenizer", "decode", "--tokenizer", _tokenizer, ids), part);

    [Fact]
    public async Task Encode_TokenizerTruncatedTamperedOrMissing_IsUserError()
    {
        var whole = File.ReadAllText(_tokenizer);
        var truncated = _folder.Write("truncated.json", whole[..(whole.Length / 2)]);
        var tampered = _folder.Write("tampered.json", whole.Replace("\"LOW\": 257", "\"LOW\": 250", StringComparison.Ordinal));
        Assert.NotEqual(whole, File.ReadAllText(tampered));
        foreach (var path in (string[])[truncated, tampered, _folder.In("missing.json")])
            Cli.AssertUserError(await Cli.RunAsync("tokenizer", "encode", "--tokenizer", path, "--text", "LOW"), path);
    }

    [Fact]
    public async Task Train_Folder_WritesTokenizerAndReports()
    {
        _folder.Write("corpus/a.txt", "LOW LOWER LOWEST");
        var file = _folder.In("new/tokenizer.json");
        var result = await Cli.RunAsync("tokenizer", "train", "--corpus", _folder.In("corpus"), "--vocab", "275", "--out", file, "--json", "--table");
        Assert.Equal(0, result.Code);
        using var json = JsonDocument.Parse(result.Output);
        Assert.Equal(["file", "sha256", "vocabulary", "documents", "bytes", "measured_on", "measured_bytes", "tokens_per_byte", "bytes_per_token",
            "corpus_seconds", "seconds", "invalid_utf8_sequences", "table", "warnings"], json.RootElement.EnumerateObject().Select(field => field.Name));
        Assert.Equal(275, json.RootElement.GetProperty("vocabulary").GetInt32());
        Assert.Equal("training", json.RootElement.GetProperty("measured_on").GetString());
        Assert.Equal([272, 275], json.RootElement.GetProperty("table").EnumerateArray().Select(row => row.GetProperty("vocabulary").GetInt32()));
        // Three merges: "LO", "LOW", " LOW".
        Assert.Equal("[257,258,69,82]\n", (await Cli.RunAsync("tokenizer", "encode", "--tokenizer", file, "--text", "LOW LOWER")).Output);
        Assert.Equal(json.RootElement.GetProperty("sha256").GetString(), TokenizerFile.Sha256(TokenizerFile.Load(file)));
    }

    [Fact]
    public async Task Train_ManyDocuments_MeasuresOnHeldOutOnes()
    {
        for (var i = 0; i < 60; i++)
            _folder.Write($"corpus/{i}.txt", $"Document number {i} speaks of the lowest low of all lows, {i * 37} times.");
        var result = await Cli.RunAsync("tokenizer", "train", "--corpus", _folder.In("corpus"), "--vocab", "300", "--out", _folder.In("t.json"), "--json");
        using var json = JsonDocument.Parse(result.Output);
        Assert.Equal("held_out", json.RootElement.GetProperty("measured_on").GetString());
        Assert.InRange(json.RootElement.GetProperty("documents").GetInt32(), 40, 59);
        Assert.False(json.RootElement.TryGetProperty("table", out _));
    }

    [Fact]
    public async Task Train_InvalidUtf8_IsCounted()
    {
        Directory.CreateDirectory(_folder.In("corpus"));
        var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("Plain words with one bad byte among very many good ones. ", 10)));
        File.WriteAllBytes(_folder.In("corpus/a.txt"), [.. text, 0xFF]);
        var result = await Cli.RunAsync("tokenizer", "train", "--corpus", _folder.In("corpus"), "--vocab", "280", "--out", _folder.In("t.json"), "--json");
        using var json = JsonDocument.Parse(result.Output);
        Assert.Equal(1, json.RootElement.GetProperty("invalid_utf8_sequences").GetInt64());
    }

    [Fact]
    public async Task Train_BadInput_IsUserErrorAndLeavesTheOldFile()
    {
        var before = File.ReadAllBytes(_tokenizer);
        _folder.Write("empty/nothing.txt", "");
        _folder.Write("images/a.png", "x");
        _folder.Write("text/a.txt", "LOW LOWER LOWEST");
        Cli.AssertUserError(await Train("missing", 300), _folder.In("missing"), "does not exist");
        Cli.AssertUserError(await Train("empty", 300), _folder.In("empty"), "no text");
        Cli.AssertUserError(await Train("images", 300), _folder.In("images"), "1 .png");
        Cli.AssertUserError(await Train("text", 271), "--vocab is 271", "272 to 1,000,000");
        Cli.AssertUserError(await Train("text", 1_000_001), "--vocab is 1000001");
        Assert.Equal(before, File.ReadAllBytes(_tokenizer));
        Cli.AssertUserError(await Cli.RunAsync("tokenizer", "train", "--corpus", _folder.In("text"), "--vocab", "275", "--out", _folder.Path), "is a folder");
        // Not even root writes below a file.
        var unwritable = _folder.In("text/a.txt/tokenizer.json");
        Cli.AssertUserError(await Cli.RunAsync("tokenizer", "train", "--corpus", _folder.In("text"), "--vocab", "275", "--out", unwritable), unwritable, "cannot be written");

        Task<CliResult> Train(string corpus, int vocabulary) => Cli.RunAsync(
            "tokenizer", "train", "--corpus", _folder.In(corpus), "--vocab", vocabulary.ToString(System.Globalization.CultureInfo.InvariantCulture), "--out", _tokenizer);
    }

    private static (int, string, string) Tuple(CliResult result) => (result.Code, result.Output, result.Error);
}
