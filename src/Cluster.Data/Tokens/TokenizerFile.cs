// Enters: a tokenizer, or a tokenizer.json. Leaves: the other. Does not know: how text is encoded.

using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Core.Files;

namespace Cluster.Data.Tokens;

/// <summary>
/// Tokenizers as Hugging Face <c>tokenizer.json</c> files: BPE with the cl100k split and a byte-level alphabet (a byte tokenizer
/// is one without merges), or one token per code point. Hugging Face's library reads them to the same ids; it differs only in that
/// it always turns a special token's spelling into that token, while here the caller has to allow it.
/// </summary>
public static class TokenizerFile
{
    // Nothing a tokenizer of a million tokens needs comes near it.
    private const long MaximumFileBytes = 1L << 30;

    /// <summary>The content of the file, UTF-8. Equal tokenizers give equal bytes.</summary>
    /// <exception cref="UserErrorException">The tokenizer segments by longest match, which the format cannot say.</exception>
    public static byte[] Serialize(ITokenizer tokenizer)
    {
        using var content = new MemoryStream();
        using (var json = new Utf8JsonWriter(content, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            WriteSpecialTokens(json, tokenizer.Special);
            json.WriteNull("normalizer");
            switch (tokenizer)
            {
                case BytePairTokenizer { Segmentation: Segmentation.MergeOrder } bytePair:
                    WriteBytePair(json, bytePair);
                    break;
                case CharacterTokenizer characters:
                    WriteCharacters(json, characters);
                    break;
                default:
                    throw new UserErrorException(
                        $"A {tokenizer.GetType().Name} of this segmentation has no form in tokenizer.json.",
                        "Save the tokenizer that segments in merge order; longest match can be chosen again after loading.");
            }

            json.WriteEndObject();
        }

        content.WriteByte((byte)'\n');
        return content.ToArray();
    }

    /// <summary>Writes the file at <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="UserErrorException">The file cannot be written, or the tokenizer has no form in it.</exception>
    public static void Save(ITokenizer tokenizer, string path) => AtomicWrite.AllBytes(path, Serialize(tokenizer));

    /// <summary>SHA-256 of <see cref="Serialize"/>, 64 lower-case hexadecimal digits: what data made with the tokenizer is tied to.</summary>
    public static string Sha256(ITokenizer tokenizer) => Convert.ToHexStringLower(SHA256.HashData(Serialize(tokenizer)));

    /// <summary>
    /// Reads the file at <paramref name="path"/>. It must say exactly what <see cref="Save"/> writes for the tokenizer it holds,
    /// save for white space and the order of properties: an id, a merge or an option changed by hand is refused.
    /// </summary>
    /// <exception cref="UserErrorException">The file is missing, truncated, altered, or of another kind.</exception>
    public static ITokenizer Load(string path)
    {
        byte[] content;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaximumFileBytes })
                throw new UserErrorException($"{path} is larger than a tokenizer can be.", "Give a tokenizer.json.");
            content = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The tokenizer {path} cannot be read ({e.Message}).", "Give the path of a tokenizer.json.", e);
        }

        return Parse(content, path);
    }

    /// <summary>Reads the content of a file; <paramref name="name"/> names it in errors.</summary>
    /// <exception cref="UserErrorException">The content is truncated, altered, or of another kind.</exception>
    public static ITokenizer Parse(ReadOnlyMemory<byte> content, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(content, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var model = document.RootElement.GetProperty("model");
            ITokenizer tokenizer = model.GetProperty("type").GetString() switch
            {
                "BPE" => ReadBytePair(model),
                "WordLevel" => ReadCharacters(model),
                var other => throw Invalid($"its model is of type {other}"),
            };
            using var canonical = JsonDocument.Parse(Serialize(tokenizer));
            return JsonElement.DeepEquals(document.RootElement, canonical.RootElement)
                ? tokenizer
                : throw Invalid("its ids, merges or options contradict one another, or are options this program does not have");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Invalid($"it is not whole: {e.Message.TrimEnd('.')}", e);
        }

        UserErrorException Invalid(string why, Exception? inner = null) => new(
            $"{name} is not a tokenizer of this program ({why}).", "Train the tokenizer anew, or restore the file from where it was copied.", inner);
    }

    private static void WriteSpecialTokens(Utf8JsonWriter json, SpecialTokens special)
    {
        json.WriteStartArray("added_tokens");
        for (var id = special.FirstId; special.Contains(id); id++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", special.Spelling(id));
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteBytePair(Utf8JsonWriter json, BytePairTokenizer tokenizer)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        WriteSplit(json, PreTokenizer.Pattern);
        json.WriteEndObject();
        WriteByteLevel(json);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        WriteByteLevel(json);

        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (var id = 0; id < tokenizer.Special.FirstId; id++)
            json.WriteNumber(ByteAlphabet.Spell(tokenizer.TokenBytes(id)), id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in tokenizer.Merges)
            json.WriteStringValue($"{ByteAlphabet.Spell(tokenizer.TokenBytes(left))} {ByteAlphabet.Spell(tokenizer.TokenBytes(right))}");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteCharacters(Utf8JsonWriter json, CharacterTokenizer tokenizer)
    {
        json.WriteStartObject("pre_tokenizer");
        WriteSplit(json, @"[\s\S]");
        json.WriteEndObject();
        json.WriteNull("post_processor");
        json.WriteStartObject("decoder");
        json.WriteString("type", "Fuse");
        json.WriteEndObject();
        json.WriteStartObject("model");
        json.WriteString("type", "WordLevel");
        json.WriteStartObject("vocab");
        for (var id = 0; id < tokenizer.Alphabet.Length; id++)
            json.WriteNumber(tokenizer.Alphabet[id].ToString(), id);
        json.WriteEndObject();
        json.WriteString("unk_token", "\uFFFD");
        json.WriteEndObject();
    }

    private static void WriteSplit(Utf8JsonWriter json, string pattern)
    {
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
    }

    private static void WriteByteLevel(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", false);
        json.WriteEndObject();
    }

    private static BytePairTokenizer ReadBytePair(JsonElement model)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var entry in model.GetProperty("vocab").EnumerateObject())
            ids.Add(entry.Name, entry.Value.GetInt32());
        var merges = new List<Merge>();
        foreach (var entry in model.GetProperty("merges").EnumerateArray())
        {
            var parts = entry.GetString()?.Split(' ');
            if (parts is not { Length: 2 })
                throw new FormatException($"merge {merges.Count} is not two tokens");
            merges.Add(new Merge(ids[parts[0]], ids[parts[1]]));
        }

        return new BytePairTokenizer(merges);
    }

    private static CharacterTokenizer ReadCharacters(JsonElement model)
    {
        var alphabet = new List<Rune>();
        foreach (var entry in model.GetProperty("vocab").EnumerateObject())
        {
            var runes = entry.Name.EnumerateRunes().ToArray();
            alphabet.Add(runes.Length == 1 ? runes[0] : throw new FormatException($"\"{entry.Name}\" is not one code point"));
        }

        return new CharacterTokenizer(alphabet);
    }
}
