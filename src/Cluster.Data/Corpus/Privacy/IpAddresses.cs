using System.Net;
using System.Net.Sockets;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>
/// Addresses of hosts on the internet. Left alone: blocks that the IANA special-purpose registries list as not globally reachable (private,
/// loopback, link-local, shared, documentation, benchmarking, multicast, reserved), networks (last number 0), and numbers that read like a
/// version or an object identifier: the first three all below 10, or first below 3 and second below 40 (ITU-T X.660), or after "v",
/// "version", "build", "release" or "revision". A public address of that form is missed, which is the price.
/// </summary>
internal static class IpAddresses
{
    // The longest written IPv6 address without a zone: 45 characters (RFC 4291, with an IPv4 tail).
    private const int LongestV6 = 45;

    private static readonly string[] s_versionWords = ["version", "ver", "v", "build", "release", "revision", "rev"];

    public static bool TryFindV4(ReadOnlySpan<char> text, DigitRun digits, out PersonalDataFind find)
    {
        find = default;
        if (digits.GroupCount < 4)
            return false;
        Span<byte> address = stackalloc byte[4];
        for (var g = 0; g < 4; g++)
        {
            var (start, length, separator) = digits.Group(g);
            if (length > 3 || (g > 0 && separator != '.') || (length > 1 && text[start] == '0'))
                return false;
            var number = int.Parse(text.Slice(start, length), System.Globalization.CultureInfo.InvariantCulture);
            if (number > 255)
                return false;
            address[g] = (byte)number;
        }

        var end = digits.End(3);
        if (digits.GroupCount > 4 && digits.Group(4).Separator == '.')
            return false;
        // "203.0.113.7/24" and "203.0.113.7:80" are addresses; "1.2.3.4-beta" is not.
        if (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] is '_' or '-'))
            return false;
        if (!IsPublic(address) || IsVersion(text, digits.Start, address))
            return false;
        find = new PersonalDataFind(PersonalDataKinds.IpAddress, digits.Start, end - digits.Start);
        return true;
    }

    public static bool TryFindV6(ReadOnlySpan<char> text, int colon, int floor, out PersonalDataFind find)
    {
        find = default;
        // At the first colon of an address: up to four hexadecimal digits before it, or a second colon after it.
        var start = colon;
        while (start > floor && colon - start < 5 && char.IsAsciiHexDigit(text[start - 1]))
            start--;
        if (colon - start > 4 || start == colon
            || (start > 0 && (char.IsLetterOrDigit(text[start - 1]) || text[start - 1] is '_' or ':' or '.' or '-')))
            return false;
        var end = colon;
        var highest = Math.Min(text.Length, start + LongestV6 + 1);
        var colons = 0;
        while (end < highest && (char.IsAsciiHexDigit(text[end]) || text[end] is ':' or '.'))
            colons += text[end++] == ':' ? 1 : 0;
        if (colons < 2 || end - start > LongestV6)
            return false;
        while (text[end - 1] == '.' || (text[end - 1] == ':' && text[end - 2] != ':'))
            end--;
        if (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_'))
            return false;
        // Every global address has four digits in its first group: 2000::/3 (IANA).
        if (colon - start != 4 || !IPAddress.TryParse(text[start..end], out var address)
            || address.AddressFamily != AddressFamily.InterNetworkV6)
            return false;
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        var documentation = (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0D && bytes[3] == 0xB8)
            || (bytes[0] == 0x3F && bytes[1] == 0xFF && bytes[2] < 0x10);
        if ((bytes[0] & 0xE0) != 0x20 || documentation)
            return false;
        find = new PersonalDataFind(PersonalDataKinds.IpAddress, start, end - start);
        return true;
    }

    private static bool IsPublic(ReadOnlySpan<byte> a) => a[0] switch
    {
        0 or 10 or 127 or >= 224 => false,
        100 => a[1] is < 64 or > 127,
        169 => a[1] != 254,
        172 => a[1] is < 16 or > 31,
        192 => a[1] != 168 && !(a[1] == 0 && a[2] is 0 or 2) && !(a[1] == 88 && a[2] == 99),
        198 => a[1] is not (18 or 19) && !(a[1] == 51 && a[2] == 100),
        203 => !(a[1] == 0 && a[2] == 113),
        _ => true,
    };

    private static bool IsVersion(ReadOnlySpan<char> text, int start, ReadOnlySpan<byte> address)
    {
        if (address[3] == 0 || (address[0] < 10 && address[1] < 10 && address[2] < 10) || (address[0] < 3 && address[1] < 40))
            return true;
        var before = text[Math.Max(0, start - 16)..start].TrimEnd(" =:\"'(\u00A0");
        foreach (var word in s_versionWords)
        {
            if (before.EndsWith(word, StringComparison.OrdinalIgnoreCase)
                && (before.Length == word.Length || !char.IsLetterOrDigit(before[^(word.Length + 1)]) || word == "version"))
                return true;
        }

        return false;
    }
}
