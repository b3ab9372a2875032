using System.Globalization;

namespace Cluster.Data.Corpus;

/// <summary>What a UTF-16 unit is to <see cref="TextView"/>.</summary>
internal enum CharacterClass : byte
{
    Symbol,
    Space,
    LineFeed,
    Letter,
    Digit,
    Ideograph,

    /// <summary>Belongs to a word between letters or digits.</summary>
    Joiner,

    /// <summary>Belongs to a word between digits.</summary>
    DigitJoiner,

    Surrogate,
}

/// <summary>The class of each UTF-16 unit: 64 KB, of which text in one script touches a few cache lines.</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] s_table = [.. Enumerable.Range(0, 1 << 16).Select(c => Of((char)c))];

    public static ReadOnlySpan<CharacterClass> Table => s_table;

    private static CharacterClass Of(char c) => c switch
    {
        '\n' => CharacterClass.LineFeed,
        '.' or '\'' or '\u2019' or '-' or '\u2010' or '/' or '_' or '+' or '*' or '=' or '~' or '^' or '|' or '\\' or '`' => CharacterClass.Joiner,
        ',' or ':' => CharacterClass.DigitJoiner,
        _ when char.IsWhiteSpace(c) => CharacterClass.Space,
        _ when char.IsSurrogate(c) => CharacterClass.Surrogate,
        // Hiragana, katakana, ideographs of extension A, of the basic block and the compatible ones (Unicode's Blocks.txt).
        (>= '\u3041' and <= '\u30FF') or (>= '\u3400' and <= '\u4DBF') or (>= '\u4E00' and <= '\u9FFF') or (>= '\uF900' and <= '\uFAFF')
            when char.IsLetter(c) => CharacterClass.Ideograph,
        _ when char.IsDigit(c) => CharacterClass.Digit,
        _ when char.IsLetterOrDigit(c) => CharacterClass.Letter,
        _ when char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.EnclosingMark => CharacterClass.Letter,
        _ => CharacterClass.Symbol,
    };
}
