using System.Collections.Frozen;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>E-mail addresses: the common form of RFC 5322's addr-spec (no quotes, no comments), with a domain of at least two
/// labels.</summary>
internal static class Emails
{
    // RFC 5321, section 4.5.3.1.
    private const int LongestLocal = 64;
    private const int LongestDomain = 255;

    // "image@2x.png" is a file.
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_fileEndings =
        "png jpg jpeg gif svg webp css js mjs ts html htm xml json md txt dll exe so zip gz"
            .Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    // RFC 2606 and RFC 6761.
    private static readonly string[] s_documentation = ["example.com", "example.org", "example.net"];

    public static bool TryFind(ReadOnlySpan<char> text, int at, int floor, out PersonalDataFind find)
    {
        find = default;
        var lowest = Math.Max(floor, at - LongestLocal - 1);
        var start = at;
        while (start > lowest && IsLocal(text[start - 1]))
            start--;
        while (start < at && !char.IsLetterOrDigit(text[start]))
            start++;
        if (start == at || at - start > LongestLocal || text[at - 1] == '.')
            return false;

        var end = at + 1;
        var highest = Math.Min(text.Length, at + 1 + LongestDomain);
        while (end < highest && (char.IsLetterOrDigit(text[end]) || text[end] is '.' or '-'))
            end++;
        while (end > at && text[end - 1] is '.' or '-')
            end--;
        var domain = text[(at + 1)..end];
        if (!IsDomain(domain) || (end < text.Length && text[end] is '@' or '_'))
            return false;
        find = new PersonalDataFind(PersonalDataKinds.Email, start, end - start);
        return true;
    }

    private static bool IsLocal(char c) => char.IsLetterOrDigit(c) || c is '.' or '_' or '%' or '+' or '-' or '\'';

    private static bool IsDomain(ReadOnlySpan<char> domain)
    {
        var dot = domain.LastIndexOf('.');
        if (dot <= 0 || domain[0] == '-' || domain[0] == '.' || domain.Contains("..", StringComparison.Ordinal))
            return false;
        var top = domain[(dot + 1)..];
        if (top.Length is < 2 or > 24 || s_fileEndings.Contains(top))
            return false;
        foreach (var c in top)
        {
            if (!char.IsLetter(c))
                return false;
        }

        if (top.Equals("example", StringComparison.OrdinalIgnoreCase) || top.Equals("test", StringComparison.OrdinalIgnoreCase)
            || top.Equals("invalid", StringComparison.OrdinalIgnoreCase) || top.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return false;
        foreach (var documentation in s_documentation)
        {
            if (domain.EndsWith(documentation, StringComparison.OrdinalIgnoreCase)
                && (domain.Length == documentation.Length || domain[^(documentation.Length + 1)] == '.'))
                return false;
        }

        return true;
    }
}
