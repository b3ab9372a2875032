using System.Text;
using Cluster.Inference.Generation;

namespace Cluster.Inference.Tests.Constraints;

/// <summary>A byte-level vocabulary: all bytes, two special tokens, and longer tokens that cross borders of JSON and of characters.</summary>
internal sealed class Pieces : ITokenText
{
    public const int End = 256, OtherSpecial = 257;

    private static readonly string[] s_texts =
    [
        "\"}", "\",", "\",\"", "\":", "\": \"", "\": ", "{\"", "[{\"", "}]", "}}", "}}}", "],", "]]", ", \"", ",\n    ", "[]", "{}", "[[", "\"\"", "true", "false",
        "null", "tr", "ue", "name", "\"name\"", "name\":", "ame", "é", "日本", "🙂", "🙂\"", "\\u", "\\u00", "\\ud83d", "\\ude00", "\\\"", "\\\\", "\\n", "12", "0.", "e+", ".5",
        "-1", "\n  ", "\n    ", "  ", "\n", " ", "red", "re", "d\"", "reddish", "ish\"}", "the", " the", "ab", "abc", "12,", "1}", "0]", "\t", "\r\n", ": 1", ",1", "value", "next", "kind",
    ];

    private readonly byte[][] _bytes;

    /// <param name="without">A byte that has no token of its own.</param>
    public Pieces(int without = -1) => _bytes =
    [
        .. Enumerable.Range(0, 256).Select(b => b == without ? [] : new[] { (byte)b }),
        [], [], .. s_texts.Select(Encoding.UTF8.GetBytes), [0xE6, 0x97], [0xA5], [0x9F, 0x99], [0x99, 0x82, (byte)'"'], [0xC3], [0xA9, (byte)'"', (byte)','],
    ];

    public static Pieces All { get; } = new();

    public int Count => _bytes.Length;

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    public static int IdOf(string text) => Array.FindIndex(All._bytes, b => b.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(text)));

    public static byte[] BytesOf(IEnumerable<int> ids) => [.. ids.SelectMany(id => All._bytes[id])];
}
