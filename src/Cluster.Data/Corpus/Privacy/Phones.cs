namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// Telephone numbers: after a plus sign 8 to 15 digits (ITU-T E.164) in groups, the first not 0; or North American ones (NANP): area and
/// exchange from 200 on, written (212) 555-7890, 212-555-7890, 212.555.7890 or with 1 before it. Numbers 555-01xx are kept for fiction.
/// Digits without such a form are not taken for a number to call: technical text is full of them.
/// </summary>
internal static class Phones
{
    private const int Fewest = 8;
    private const int Most = 15;

    public static bool TryFind(ReadOnlySpan<char> text, DigitRun digits, int floor, out PersonalDataFind find)
    {
        var start = digits.Start;
        if (start > floor && text[start - 1] == '+')
            return TryFindInternational(text, start, out find);
        if (start > floor && text[start - 1] == '(')
            return TryFindBracketed(text, start, out find);
        find = default;
        if (!digits.StartsClean || digits.GroupCount < 3)
            return false;
        var (first, groups) = digits.FirstGroupLength == 1 && text[start] == '1' ? (1, 4) : (0, 3);
        if (digits.GroupCount < groups)
            return false;
        var separator = digits.Group(groups - 1).Separator;
        if (separator is not ('-' or '.' or ' '))
            return false;
        for (var g = 1; g < groups; g++)
        {
            if (digits.Group(g).Separator != separator && !(first == 1 && g == 1 && digits.Group(1).Separator == ' '))
                return false;
        }

        if (digits.Group(first).Length != 3 || digits.Group(first + 1).Length != 3 || digits.Group(first + 2).Length != 4
            || !digits.EndsClean(text, groups - 1)
            || !IsNorthAmerican(text, digits.Group(first).Start, digits.Group(first + 1).Start, digits.Group(first + 2).Start))
            return false;
        // Three groups of digits between blanks are as often a table's row.
        if (separator == ' ' && first == 0)
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Phone, start, digits.End(groups - 1) - start);
        return true;
    }

    private static bool TryFindInternational(ReadOnlySpan<char> text, int start, out PersonalDataFind find)
    {
        find = default;
        if (text[start] == '0' || (start > 1 && (char.IsLetterOrDigit(text[start - 2]) || text[start - 2] is ')' or ']' or '+' or '_')))
            return false;
        var i = start;
        int digits = 0, end = start, groups = 1;
        while (i < text.Length && digits <= Most)
        {
            if (char.IsAsciiDigit(text[i]))
            {
                digits++;
                end = ++i;
                continue;
            }

            // One separator, or an area code's brackets: " (0)", " (30) ".
            var next = i;
            while (next < text.Length && next - i < 2 && text[next] is ' ' or '-' or '.' or '/' or '(' or ')' or '\u00A0')
                next++;
            if (next == i || next == text.Length || !char.IsAsciiDigit(text[next]))
                break;
            groups++;
            i = next;
        }

        if (digits is < Fewest or > Most || (groups == 1 && digits < 10))
            return false;
        if (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] is '_' or '@'))
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Phone, start - 1, end - start + 1);
        return true;
    }

    private static bool TryFindBracketed(ReadOnlySpan<char> text, int start, out PersonalDataFind find)
    {
        find = default;
        if (start > 1 && (char.IsLetterOrDigit(text[start - 2]) || text[start - 2] == '_'))
            return false;
        // 212) 555-7890 or 212)555-7890
        var i = start + 3;
        if (i >= text.Length || text[i] != ')')
            return false;
        i++;
        if (i < text.Length && text[i] == ' ')
            i++;
        if (i + 8 > text.Length || text[i + 3] is not ('-' or '.' or ' ') || !AreDigits(text.Slice(start, 3))
            || !AreDigits(text.Slice(i, 3))
            || !AreDigits(text.Slice(i + 4, 4)) || (i + 8 < text.Length && (char.IsLetterOrDigit(text[i + 8]) || text[i + 8] is '-' or '_'))
            || !IsNorthAmerican(text, start, i, i + 4))
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Phone, start - 1, i + 8 - start + 1);
        return true;
    }

    private static bool IsNorthAmerican(ReadOnlySpan<char> text, int area, int exchange, int line) =>
        text[area] >= '2' && text[exchange] >= '2' && !(text.Slice(exchange, 3) is "555" && text.Slice(line, 2) is "01");

    private static bool AreDigits(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiDigit(c))
                return false;
        }

        return true;
    }
}
