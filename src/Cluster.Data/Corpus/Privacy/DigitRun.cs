namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// Groups of digits with one separator (blank, full stop, hyphen, slash) between each two: how people write numbers. At most
/// <see cref="MostGroups"/> groups and <see cref="MostDigits"/> digits are read, which bounds the work at each place.
/// </summary>
internal readonly ref struct DigitRun
{
    public const int MostGroups = 9;
    public const int MostDigits = 24;

    private readonly DigitGroups _groups;

    private DigitRun(ReadOnlySpan<char> text, int start)
    {
        Start = start;
        StartsClean = start == 0 || !IsPartOfName(text[start - 1]);
        var i = start;
        while (GroupCount < MostGroups)
        {
            var groupStart = i;
            while (i < text.Length && char.IsAsciiDigit(text[i]))
                i++;
            var length = i - groupStart;
            _groups[GroupCount] = (groupStart, length, groupStart == start ? '\0' : text[groupStart - 1]);
            GroupCount++;
            Digits += length;
            if (Digits > MostDigits)
                break;
            if (i + 1 >= text.Length || text[i] is not (' ' or '.' or '-' or '/' or '\u00A0') || !char.IsAsciiDigit(text[i + 1]))
                break;
            i++;
        }
    }

    /// <summary>Index of the first digit.</summary>
    public int Start { get; }

    /// <summary>Whether nothing before it belongs to it.</summary>
    public bool StartsClean { get; }

    /// <summary>Number of groups.</summary>
    public int GroupCount { get; }

    /// <summary>Digits of all groups.</summary>
    public int Digits { get; }

    /// <summary>Digits of the first group.</summary>
    public int FirstGroupLength => _groups[0].Length;

    public static DigitRun Of(ReadOnlySpan<char> text, int start) => new(text, start);

    /// <summary>Where a group begins, its digits, and the separator before it.</summary>
    public (int Start, int Length, char Separator) Group(int index) => _groups[index];

    /// <summary>Index after the last digit of a group.</summary>
    public int End(int group) => _groups[group].Start + _groups[group].Length;

    /// <summary>Whether the first groups have these lengths, the separator between them is one of those given, and the number ends
    /// there.</summary>
    public bool Is(ReadOnlySpan<char> text, ReadOnlySpan<int> lengths, ReadOnlySpan<char> separators)
    {
        if (GroupCount < lengths.Length)
            return false;
        for (var i = 0; i < lengths.Length; i++)
        {
            if (_groups[i].Length != lengths[i] || (i > 0 && !separators.Contains(_groups[i].Separator)))
                return false;
        }

        return EndsClean(text, lengths.Length - 1);
    }

    /// <summary>Whether the number can end with this group: neither a letter nor a sign of a name nor a further joined digit
    /// follows.</summary>
    public bool EndsClean(ReadOnlySpan<char> text, int group)
    {
        var end = End(group);
        if (end == text.Length)
            return true;
        var c = text[end];
        if (char.IsLetterOrDigit(c) || c is '_' or '@' or '%')
            return false;
        // A full stop or a comma ends a sentence, unless a digit or letter follows at once; a hyphen or slash joins in any case.
        if (c is '-' or '/' or '\\' or '=')
            return false;
        return c is not ('.' or ',' or ':') || end + 1 == text.Length || !char.IsLetterOrDigit(text[end + 1]);
    }

    /// <summary>The digits of the first groups, in order.</summary>
    /// <returns>How many were written.</returns>
    public int CopyDigits(ReadOnlySpan<char> text, int groups, Span<byte> digits)
    {
        var count = 0;
        for (var g = 0; g < groups; g++)
        {
            foreach (var c in text.Slice(_groups[g].Start, _groups[g].Length))
            {
                if (count == digits.Length)
                    return count;
                digits[count++] = (byte)(c - '0');
            }
        }

        return count;
    }

    /// <summary>A character that, directly before or after a number, makes it part of a longer name.</summary>
    public static bool IsPartOfName(char c) => char.IsLetterOrDigit(c)
        || c is '_' or '-' or '.' or '/' or '\\' or '=' or '#' or '+' or '%' or '@' or '$' or '&';

    [System.Runtime.CompilerServices.InlineArray(MostGroups)]
    private struct DigitGroups
    {
        private (int Start, int Length, char Separator) _first;
    }
}
