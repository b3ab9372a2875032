using System.Collections.Frozen;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>International bank account numbers: country, its length (SWIFT's IBAN registry), and the check modulo 97 (ISO 7064 MOD
/// 97-10).</summary>
internal static class Ibans
{
    private static readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> s_lengths =
        ("AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 "
        + "GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 "
        + "PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20")
        .Split(' ').ToFrozenDictionary(entry => entry[..2], entry =>
            int.Parse(entry.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture))
        .GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The number whose first check digit is at <paramref name="at"/>.</summary>
    public static bool TryFind(ReadOnlySpan<char> text, int at, int floor, out PersonalDataFind find)
    {
        find = default;
        var start = at - 2;
        if (start < floor || !char.IsAsciiLetterUpper(text[start]) || !char.IsAsciiLetterUpper(text[start + 1])
            || (start > 0 && DigitRun.IsPartOfName(text[start - 1])) || !s_lengths.TryGetValue(text.Slice(start, 2), out var length))
            return false;

        // The first four characters count after the others, so their part of the remainder is added at the end.
        Span<char> number = stackalloc char[34];
        var count = 0;
        var i = start;
        while (i < text.Length && count < length)
        {
            if (text[i] == ' ' && count > 0 && count % 4 == 0)
                i++;
            if (i == text.Length || !(char.IsAsciiDigit(text[i]) || char.IsAsciiLetterUpper(text[i])))
                return false;
            number[count++] = text[i++];
        }

        if (count < length || !char.IsAsciiDigit(number[2]) || !char.IsAsciiDigit(number[3])
            || (i < text.Length && (char.IsLetterOrDigit(text[i]) || text[i] is '_' or '-')))
            return false;
        var remainder = 0;
        for (var k = 0; k < count; k++)
        {
            var c = number[(k + 4) % count];
            remainder = char.IsAsciiDigit(c) ? (remainder * 10 + (c - '0')) % 97 : (remainder * 100 + (c - 'A' + 10)) % 97;
        }

        if (remainder != 1)
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Iban, start, i - start);
        return true;
    }
}
