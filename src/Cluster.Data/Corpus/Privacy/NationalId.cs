namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// National identifiers whose form or check digits leave few accidents:
/// <list type="bullet">
/// <item>US social security number: 3-2-4 with hyphens; area not 000, 666 or 9xx, no part all zero (SSA, POMS RM 10201).</item>
/// <item>UK national insurance number: two letters of those in use, six digits, A–D (HMRC, NIM39110).</item>
/// <item>German tax identification number: 11 digits, one digit two or three times among the first ten, check digit by ISO/IEC 7064 MOD
/// 11,10.</item>
/// <item>Spanish DNI: eight digits and a letter by the remainder of 23 (Real Decreto 1553/2005).</item>
/// <item>Brazilian CPF: 3.3.3-2 with two check digits modulo 11 (Receita Federal).</item>
/// <item>French NIR: 13 digits and a key of 97 minus the remainder of 97 (INSEE), written 1-2-2-2-3-3-2 or whole.</item>
/// <item>Polish PESEL: 11 digits, a date of birth and a check digit with the weights 1 3 7 9 (ustawa o ewidencji ludności).</item>
/// </list>
/// Numbers without a check that accidents would fail (Dutch BSN, plain nine digits) are not looked for: in technical text they would mask
/// more numbers than people.
/// </summary>
internal static class NationalId
{
    /// <summary>Those of digits alone, from their first digit on.</summary>
    public static bool TryFind(ReadOnlySpan<char> text, DigitRun digits, out PersonalDataFind find)
    {
        Span<byte> number = stackalloc byte[DigitRun.MostDigits + 1];
        var groups = digits.FirstGroupLength switch
        {
            3 when digits.Is(text, [3, 2, 4], "-") && digits.CopyDigits(text, 3, number) == 9 && IsSocialSecurity(number[..9]) => 3,
            3 when IsBrazilian(text, digits) && digits.CopyDigits(text, 4, number) == 11 && IsCpf(number[..11]) => 4,
            2 when digits.Is(text, [2, 3, 3, 3], " ") && digits.CopyDigits(text, 4, number) == 11 && IsGermanTax(number[..11]) => 4,
            11 when digits.EndsClean(text, 0) && digits.CopyDigits(text, 1, number) == 11
                && (IsGermanTax(number[..11]) || IsPesel(number[..11])) => 1,
            15 when digits.EndsClean(text, 0) && digits.CopyDigits(text, 1, number) == 15 && IsNir(number[..15]) => 1,
            1 when digits.Is(text, [1, 2, 2, 2, 3, 3, 2], " ") && digits.CopyDigits(text, 7, number) == 15 && IsNir(number[..15]) => 7,
            _ => 0,
        };
        if (groups > 0)
        {
            find = new PersonalDataFind(PersonalDataKinds.NationalId, digits.Start, digits.End(groups - 1) - digits.Start);
            return true;
        }

        return TryFindDni(text, digits, out find);
    }

    /// <summary>The one that begins with letters: a national insurance number, at its first digit.</summary>
    public static bool TryFindLettered(ReadOnlySpan<char> text, int at, int floor, out PersonalDataFind find)
    {
        find = default;
        var letters = at;
        if (letters > floor && text[letters - 1] == ' ')
            letters--;
        letters -= 2;
        if (letters < floor || !char.IsAsciiLetterUpper(text[letters]) || !char.IsAsciiLetterUpper(text[letters + 1])
            || (letters > 0 && DigitRun.IsPartOfName(text[letters - 1])))
            return false;
        var i = at;
        for (var pair = 0; pair < 3; pair++)
        {
            if (pair > 0 && i < text.Length && text[i] == ' ')
                i++;
            if (i + 2 > text.Length || !char.IsAsciiDigit(text[i]) || !char.IsAsciiDigit(text[i + 1]))
                return false;
            i += 2;
        }

        if (i < text.Length && text[i] == ' ')
            i++;
        if (i >= text.Length || text[i] is not (>= 'A' and <= 'D')
            || (i + 1 < text.Length && (char.IsLetterOrDigit(text[i + 1]) || text[i + 1] is '_' or '-')))
            return false;
        if ("DFIQUV".Contains(text[letters]) || "DFIOQUV".Contains(text[letters + 1])
            || text.Slice(letters, 2) is "BG" or "GB" or "KN" or "NK" or "NT" or "TN" or "ZZ")
            return false;
        find = new PersonalDataFind(PersonalDataKinds.NationalId, letters, i + 1 - letters);
        return true;
    }

    private static bool TryFindDni(ReadOnlySpan<char> text, DigitRun digits, out PersonalDataFind find)
    {
        find = default;
        if (digits.FirstGroupLength != 8)
            return false;
        var end = digits.End(0);
        if (end < text.Length && text[end] == '-')
            end++;
        if (end >= text.Length || (end + 1 < text.Length && (char.IsLetterOrDigit(text[end + 1]) || text[end + 1] is '_' or '-')))
            return false;
        var number = int.Parse(text.Slice(digits.Start, 8), System.Globalization.CultureInfo.InvariantCulture);
        if (number == 0 || text[end] != "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23])
            return false;
        find = new PersonalDataFind(PersonalDataKinds.NationalId, digits.Start, end + 1 - digits.Start);
        return true;
    }

    private static bool IsBrazilian(ReadOnlySpan<char> text, DigitRun digits) =>
        digits.Is(text, [3, 3, 3, 2], ".-") && digits.Group(1).Separator == '.' && digits.Group(2).Separator == '.'
            && digits.Group(3).Separator == '-';

    private static bool IsSocialSecurity(ReadOnlySpan<byte> d)
    {
        var area = d[0] * 100 + d[1] * 10 + d[2];
        return area is not (0 or 666 or >= 900) && d[3] + d[4] > 0 && d[5] + d[6] + d[7] + d[8] > 0;
    }

    private static bool IsGermanTax(ReadOnlySpan<byte> d)
    {
        if (d[0] == 0)
            return false;
        Span<int> counts = stackalloc int[10];
        foreach (var digit in d[..10])
            counts[digit]++;
        int twice = 0, thrice = 0;
        foreach (var count in counts)
        {
            if (count > 3)
                return false;
            twice += count == 2 ? 1 : 0;
            thrice += count == 3 ? 1 : 0;
        }

        if (twice + thrice != 1)
            return false;
        var product = 10;
        foreach (var digit in d[..10])
        {
            var sum = (digit + product) % 10;
            product = (sum == 0 ? 10 : sum) * 2 % 11;
        }

        return (11 - product) % 10 == d[10];
    }

    private static bool IsCpf(ReadOnlySpan<byte> d)
    {
        if (!d.ContainsAnyExcept(d[0]))
            return false;
        return Check(d[..9], 10) == d[9] && Check(d[..10], 11) == d[10];

        static int Check(ReadOnlySpan<byte> digits, int weight)
        {
            var sum = 0;
            foreach (var digit in digits)
                sum += digit * weight--;
            return sum * 10 % 11 % 10;
        }
    }

    private static bool IsNir(ReadOnlySpan<byte> d)
    {
        var month = d[3] * 10 + d[4];
        if (d[0] is not (1 or 2) || month is 0 or (> 12 and < 20) or (> 42 and < 50))
            return false;
        var number = 0L;
        foreach (var digit in d[..13])
            number = number * 10 + digit;
        return 97 - number % 97 == d[13] * 10 + d[14];
    }

    private static bool IsPesel(ReadOnlySpan<byte> d)
    {
        // The month carries the century: +80 for the 1800s, +20, +40, +60 for the 2000s and after.
        var month = (d[2] * 10 + d[3]) % 20;
        var day = d[4] * 10 + d[5];
        if (month is 0 or > 12 || day is 0 or > 31)
            return false;
        ReadOnlySpan<int> weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3];
        var sum = 0;
        for (var i = 0; i < weights.Length; i++)
            sum += d[i] * weights[i];
        return (10 - sum % 10) % 10 == d[10];
    }
}
