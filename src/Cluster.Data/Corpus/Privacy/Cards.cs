namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// Payment cards (ISO/IEC 7812): an issuer's prefix with a length that it uses, Luhn's check digit, and written whole or in the groups that
/// cards show (4-4-4-4, 4-6-5, 4-6-4) with blanks or hyphens.
/// </summary>
internal static class Cards
{
    public static bool TryFind(ReadOnlySpan<char> text, DigitRun digits, out PersonalDataFind find)
    {
        find = default;
        var groups = Groups(text, digits);
        if (groups == 0)
            return false;
        Span<byte> number = stackalloc byte[DigitRun.MostDigits + 1];
        var count = digits.CopyDigits(text, groups, number);
        number = number[..count];
        if (count is < 13 or > 19 || !IsIssued(number) || !Luhn(number) || !number.ContainsAnyExcept(number[0]))
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Card, digits.Start, digits.End(groups - 1) - digits.Start);
        return true;
    }

    /// <summary>Luhn's check (US patent 2,950,048; ISO/IEC 7812-1, annex B).</summary>
    public static bool Luhn(ReadOnlySpan<byte> digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            int digit = digits[^(i + 1)];
            if (i % 2 == 1)
                digit = digit > 4 ? digit * 2 - 9 : digit * 2;
            sum += digit;
        }

        return sum % 10 == 0;
    }

    private static int Groups(ReadOnlySpan<char> text, DigitRun digits)
    {
        if (digits.FirstGroupLength >= 13)
            return digits.EndsClean(text, 0) ? 1 : 0;
        if (digits.GroupCount < 3)
            return 0;
        var separator = digits.Group(1).Separator;
        if (separator is not (' ' or '-' or '\u00A0'))
            return 0;
        ReadOnlySpan<char> one = [separator];
        if (digits.Is(text, [4, 4, 4, 4, 3], one))
            return 5;
        if (digits.Is(text, [4, 4, 4, 4], one))
            return 4;
        return digits.Is(text, [4, 6, 5], one) || digits.Is(text, [4, 6, 4], one) ? 3 : 0;
    }

    private static bool IsIssued(ReadOnlySpan<byte> digits)
    {
        var two = digits[0] * 10 + digits[1];
        var three = two * 10 + digits[2];
        var four = three * 10 + digits[3];
        return digits.Length switch
        {
            13 => digits[0] == 4 || IsMaestro(four),
            14 => two is 36 or 38 or 39 || three is >= 300 and <= 305 || IsMaestro(four),
            15 => two is 34 or 37 || IsMaestro(four),
            16 => digits[0] == 4 || two is >= 51 and <= 55 || four is >= 2221 and <= 2720 || IsSixteenToNineteen(two, three, four)
                || IsMaestro(four),
            17 or 18 => IsSixteenToNineteen(two, three, four) || IsMaestro(four),
            _ => digits[0] == 4 || IsSixteenToNineteen(two, three, four) || IsMaestro(four),
        };
    }

    // Discover, UnionPay, JCB.
    private static bool IsSixteenToNineteen(int two, int three, int four) =>
        two is 62 or 65 || three is >= 644 and <= 649 || four == 6011 || four is >= 3528 and <= 3589;

    private static bool IsMaestro(int four) => four is 5018 or 5020 or 5038 or 5893 or 6304 or 6759 or 6761 or 6762 or 6763;
}
