namespace Cluster.Data.Corpus.Language;

/// <summary>Writing systems that tell languages apart.</summary>
internal enum Script : byte
{
    None,
    Latin,
    Cyrillic,
    Greek,
    Hebrew,
    Arabic,

    /// <summary>Letters that Persian and Urdu add to the Arabic script.</summary>
    ArabicElsewhere,
    Devanagari,
    Thai,
    Hangul,
    Kana,
    Han,

    /// <summary>Letters of any other script.</summary>
    Other,
}

/// <summary>The script of each UTF-16 unit that is a letter, by Unicode's blocks (Blocks.txt).</summary>
internal static class Scripts
{
    public const int Count = (int)Script.Other + 1;

    private static readonly Script[] s_table = [.. Enumerable.Range(0, 1 << 16).Select(c => Find((char)c))];

    public static ReadOnlySpan<Script> Table => s_table;

    private static Script Find(char c) => c switch
    {
        _ when !char.IsLetter(c) => Script.None,
        <= '\u024F' or (>= '\u1E00' and <= '\u1EFF') => Script.Latin,
        (>= '\u0370' and <= '\u03FF') or (>= '\u1F00' and <= '\u1FFF') => Script.Greek,
        >= '\u0400' and <= '\u052F' => Script.Cyrillic,
        >= '\u0590' and <= '\u05FF' => Script.Hebrew,
        // Peh, cheh, jeh, gaf, tteh, ddal, rreh, keheh, Farsi yeh, heh goal, yeh barree.
        '\u067E' or '\u0686' or '\u0698' or '\u06AF' or '\u0679' or '\u0688' or '\u0691' or '\u06A9' or '\u06CC' or '\u06C1' or '\u06D2' => Script.ArabicElsewhere,
        (>= '\u0600' and <= '\u077F') or (>= '\uFB50' and <= '\uFDFF') or (>= '\uFE70' and <= '\uFEFF') => Script.Arabic,
        >= '\u0900' and <= '\u097F' => Script.Devanagari,
        >= '\u0E00' and <= '\u0E7F' => Script.Thai,
        (>= '\uAC00' and <= '\uD7A3') or (>= '\u1100' and <= '\u11FF') or (>= '\u3130' and <= '\u318F') => Script.Hangul,
        >= '\u3041' and <= '\u30FF' => Script.Kana,
        (>= '\u3400' and <= '\u4DBF') or (>= '\u4E00' and <= '\u9FFF') or (>= '\uF900' and <= '\uFAFF') => Script.Han,
        _ => Script.Other,
    };
}
