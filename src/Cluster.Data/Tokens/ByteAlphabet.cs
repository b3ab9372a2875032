// Enters: bytes. Leaves: one printable character for each. Does not know: tokens.

using System.Collections.Immutable;

namespace Cluster.Data.Tokens;

/// <summary>
/// GPT-2's byte-to-unicode table (Radford et al., 2019), in which tokenizer.json spells byte-level tokens: printable Latin-1
/// characters stand for themselves, the other 68 bytes, in ascending order, for U+0100 and on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly ImmutableArray<char> Characters = Build();

    /// <summary>The spelling of <paramref name="bytes"/>: one char per byte.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (var i = 0; i < bytes.Length; i++)
            text[i] = Characters[bytes[i]];
        return new string(text);
    }

    private static ImmutableArray<char> Build()
    {
        var next = 0x100;
        return [.. Enumerable.Range(0, 256).Select(b => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : (char)next++)];
    }
}
