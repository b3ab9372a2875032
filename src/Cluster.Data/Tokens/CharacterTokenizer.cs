// Enters: text and an alphabet. Leaves: one id per code point, and text again. Does not know: bytes below the code point, files.

using System.Collections.Immutable;
using System.Text;

namespace Cluster.Data.Tokens;

/// <summary>
/// One token per Unicode code point. The alphabet's code points have the ids 0, 1, … in ascending order; the special tokens
/// follow. U+FFFD is always in the alphabet and stands for every code point that is not.
/// </summary>
public sealed class CharacterTokenizer : ITokenizer
{
    private readonly Dictionary<int, int> _ids = [];
    private readonly byte[][] _bytes;

    /// <param name="alphabet">The code points to know, in any order, with repetitions.</param>
    public CharacterTokenizer(IEnumerable<Rune> alphabet)
    {
        Alphabet = [.. alphabet.Append(Rune.ReplacementChar).Distinct().Order()];
        Special = new SpecialTokens(Alphabet.Length);
        _bytes = new byte[VocabularySize][];
        for (var id = 0; id < Alphabet.Length; id++)
        {
            _ids.Add(Alphabet[id].Value, id);
            _bytes[id] = Encoding.UTF8.GetBytes(Alphabet[id].ToString());
        }

        for (var id = Special.FirstId; id < VocabularySize; id++)
            _bytes[id] = Encoding.UTF8.GetBytes(Special.Spelling(id));
        Unknown = _ids[Rune.ReplacementChar.Value];
    }

    /// <summary>The code points in the order of their ids.</summary>
    public ImmutableArray<Rune> Alphabet { get; }

    /// <summary>The id of U+FFFD, which stands for code points outside the alphabet.</summary>
    public int Unknown { get; }

    /// <inheritdoc/>
    public int VocabularySize => Alphabet.Length + SpecialTokens.Count;

    /// <inheritdoc/>
    public SpecialTokens Special { get; }

    /// <summary>The tokenizer whose alphabet is what <paramref name="documents"/> use.</summary>
    public static CharacterTokenizer Train(IEnumerable<string> documents)
    {
        var seen = new HashSet<Rune>();
        foreach (var document in documents)
            foreach (var rune in document.EnumerateRunes())
                seen.Add(rune);
        return new CharacterTokenizer(seen);
    }

    /// <inheritdoc/>
    public int[] Encode(string text, bool allowSpecial = false)
    {
        var ids = new List<int>(text.Length);
        var rest = text.AsSpan();
        while (allowSpecial && Special.IndexOf(rest, out var id, out var length) is >= 0 and var at)
        {
            Encode(rest[..at], ids);
            ids.Add(id);
            rest = rest[(at + length)..];
        }

        Encode(rest, ids);
        return [.. ids];
    }

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<char> text, List<int> destination)
    {
        foreach (var rune in text.EnumerateRunes())
            destination.Add(_ids.GetValueOrDefault(rune.Value, Unknown));
    }

    /// <inheritdoc/>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes) => Encode(Encoding.UTF8.GetString(bytes));

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var text = new StringBuilder(ids.Length);
        foreach (var id in ids)
            text.Append(Encoding.UTF8.GetString(TokenBytes(id)));
        return text.ToString();
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> TokenBytes(int id) => (uint)id < (uint)_bytes.Length ? _bytes[id] : throw VocabularyErrors.OutOfRange(id, VocabularySize);
}
