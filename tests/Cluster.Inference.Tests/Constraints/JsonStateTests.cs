using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using Cluster.Inference.Constraints;

namespace Cluster.Inference.Tests.Constraints;

public class JsonStateTests
{
    private static readonly JsonState s_any = JsonState.Start(ResponseFormat.JsonSchema("{}").Grammar);

    [Theory]
    [InlineData("""{"a": [1, -0.5e+3, true, null], "b": {}}""", true)]
    [InlineData("{\n    \"a\": [\n        1\n    ]\n}", true)]
    [InlineData(" 1", true)]
    [InlineData("\n1", true)]
    [InlineData("1 ", false)] // nothing after the end
    [InlineData("[1,  2]", false)] // two spaces
    [InlineData("[\n\n1]", false)]
    [InlineData("[\n     1]", false)] // 5 spaces on level 1
    [InlineData("[ \n1]", false)]
    [InlineData("[\t1]", false)]
    [InlineData("[1,]", false)]
    [InlineData("[,1]", false)]
    [InlineData("""{"a":1,}""", false)]
    [InlineData("""{"a"}""", false)]
    [InlineData("""{a:1}""", false)]
    [InlineData("01", false)]
    [InlineData("-", false)]
    [InlineData("1.", false)]
    [InlineData(".5", false)]
    [InlineData("1e", false)]
    [InlineData("+1", false)]
    [InlineData("123456789012345678", true)]
    [InlineData("1234567890123456789", false)] // 19 digits
    [InlineData("1.123456789012345678e-99", true)]
    [InlineData("1.1234567890123456789", false)]
    [InlineData("1e100", false)]
    [InlineData("\"\\ud83d\\ude42\"", true)]
    [InlineData("\"\\ud83d\"", false)]
    [InlineData("\"\\ude42\"", false)]
    [InlineData("\"\\ud83dx\"", false)]
    [InlineData("\"\\u12g4\"", false)]
    [InlineData("\"\\x\"", false)]
    [InlineData("\"a\nb\"", false)]
    [InlineData("\"\\u0000\u007f\"", true)]
    [InlineData("tru", false)]
    [InlineData("truee", false)]
    [InlineData("", false)]
    public void Take_Document_AcceptedOrNot(string document, bool accepted)
    {
        Assert.Equal(accepted, Accepts(Encoding.UTF8.GetBytes(document)));
        Assert.Equal(accepted, Expected(Encoding.UTF8.GetBytes(document)));
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void Take_Depth_BoundedAsInSystemTextJson(int depth, bool accepted)
    {
        var document = Encoding.UTF8.GetBytes(new string('[', depth) + new string(']', depth));
        Assert.Equal((accepted, accepted), (Accepts(document), Expected(document)));
    }

    [Fact]
    public void Take_EveryTwoAndThreeBytesInAString_AsUtf8()
    {
        for (var first = 0x80; first < 256; first++)
        {
            for (var second = 0x70; second < 0xD0; second++)
            {
                foreach (var rest in new byte[][] { [], [0x80], [0xBF], [0x80, 0xBF], [0x7F], [0xC0, 0x80] })
                {
                    byte[] text = [(byte)first, (byte)second, .. rest];
                    var valid = Utf8.IsValid(text);
                    Assert.True(valid == Accepts([(byte)'"', .. text, (byte)'"']), Convert.ToHexString(text));
                }
            }
        }
    }

    /// <summary>Documents within the bounds, and what becomes of them when some bytes are changed.</summary>
    [Fact]
    public void Take_RandomAndMutatedDocuments_AcceptedIfSystemTextJsonReadsThem()
    {
        var draws = new Draws(1);
        int valid = 0, invalid = 0;
        for (var i = 0; i < 4_000; i++)
        {
            var document = Encoding.UTF8.GetBytes(Document(draws, 0));
            Assert.True(Accepts(document) && Expected(document), Encoding.UTF8.GetString(document));
            for (var mutation = 0; mutation < 8; mutation++)
            {
                var mutated = Mutate(document, draws);
                var expected = Expected(mutated);
                Assert.True(expected == Accepts(mutated), $"{expected}: {Encoding.UTF8.GetString(mutated)} {Convert.ToHexString(mutated)}");
                _ = expected ? valid++ : invalid++;
            }
        }

        Assert.True(valid > 3_000 && invalid > 10_000, $"{valid} valid, {invalid} invalid");
    }

    [Fact]
    public void Take_ByteByByteOrAtOnce_EqualStates()
    {
        var draws = new Draws(2);
        for (var i = 0; i < 200; i++)
        {
            var document = Encoding.UTF8.GetBytes(Document(draws, 0));
            var at = draws.Below(document.Length + 1);
            var state = s_any;
            foreach (var b in document[..at])
                state = state.Take([b])!;
            var other = s_any.Take(document.AsSpan(0, at))!;
            Assert.True(state.Equals(other) && state.GetHashCode() == other.GetHashCode());
            // A refused continuation leaves the state as it was.
            Assert.Null(state.Take([0xFF]));
            Assert.True(state.Take(document.AsSpan(at))!.IsComplete);
        }
    }

    private static bool Accepts(ReadOnlySpan<byte> document) => s_any.Take(document) is { IsComplete: true };

    /// <summary>System.Text.Json's judgement and, by its reader's tokens, the bounds of blanks and numbers.</summary>
    private static bool Expected(byte[] document)
    {
        try
        {
            using var parsed = JsonDocument.Parse(document);
            if (!Utf8.IsValid(document))
                return false;
            var reader = new Utf8JsonReader(document);
            int end = 0, depth = 0;
            while (reader.Read())
            {
                var start = (int)reader.TokenStartIndex;
                foreach (var blank in Encoding.UTF8.GetString(document[end..start]).Split(',', ':'))
                {
                    if (blank is not ("" or " ") && !(Regex.IsMatch(blank, "^\n *\\z") && blank.Length - 1 <= 4 * depth))
                        return false;
                }

                end = start + (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName ? reader.ValueSpan.Length + 2 : reader.ValueSpan.Length);
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                    reader.GetString();
                else if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
                    depth++;
                else if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject)
                    depth--;
                else if (reader.TokenType == JsonTokenType.Number && !Regex.IsMatch(Encoding.UTF8.GetString(reader.ValueSpan), @"^-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?\z"))
                    return false;
            }

            return end == document.Length;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static string Document(Draws draws, int depth)
    {
        string Blank() => draws.Below(4) switch { 0 => " ", 1 => "\n" + new string(' ', draws.Below(4 * depth + 1)), _ => "" };
        string Between(string separator, string inner)
        {
            var before = depth == 0 ? "" : Blank();
            return before + separator + inner;
        }

        switch (draws.Below(depth > 4 ? 4 : 7))
        {
            case 0:
                return draws.Pick("true", "false", "null", "0", "-0", "12", "-1.50", "1e5", "2E-07", "0.25e+1");
            case 1:
                return draws.Below(100_000).ToString(CultureInfo.InvariantCulture);
            case 2 or 3:
                return Text(draws);
            case 4 or 5:
                depth++;
                var items = Enumerable.Range(0, draws.Below(4)).Select(_ => Blank() + Document(draws, depth)).ToArray();
                return "[" + (items.Length == 0 ? Blank() : items.Aggregate((a, b) => a + Between(",", b)) + Blank()) + "]";
            default:
                depth++;
                var properties = Enumerable.Range(0, draws.Below(4)).Select(_ => Blank() + Text(draws) + Between(":", Blank() + Document(draws, depth))).ToArray();
                return "{" + (properties.Length == 0 ? Blank() : properties.Aggregate((a, b) => a + Between(",", b)) + Blank()) + "}";
        }
    }

    private static string Text(Draws draws) => "\"" + string.Concat(Enumerable.Range(0, draws.Below(5)).Select(_ =>
        draws.Pick("a", "b c", "é", "日", "🙂", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\uD83D\\ude42", "\\u0000", "{", "]", ",", ":", "\u007f", "\uffff"))) + "\"";

    private static byte[] Mutate(byte[] document, Draws draws)
    {
        var bytes = document.ToList();
        for (var change = 0; change <= draws.Below(2); change++)
        {
            var at = draws.Below(bytes.Count + 1);
            var b = draws.Below(3) == 0 ? (byte)draws.Below(256) : (byte)draws.Pick("\"\\{}[],: \n\t0129-+.eEtuDdabc")[draws.Below(26)];
            switch (draws.Below(4))
            {
                case 0 when at < bytes.Count:
                    bytes.RemoveAt(at);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = b;
                    break;
                case 2 when at + 1 < bytes.Count:
                    (bytes[at], bytes[at + 1]) = (bytes[at + 1], bytes[at]);
                    break;
                default:
                    bytes.Insert(at, b);
                    break;
            }
        }

        return [.. bytes];
    }
}
