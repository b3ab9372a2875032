using System.Text.RegularExpressions;

namespace Cluster.Data.Corpus;

/// <summary>Decides which documented members carry no prose worth training on. A member in, the reason for dropping it out, or null.</summary>
internal static partial class Boilerplate
{
    /// <summary>Summaries shorter than this many characters ("", "TBD", "Item.") say nothing.</summary>
    private const int ShortestSummary = 12;

    public static string? Reason(RawMember member)
    {
        var summary = member.Summary;
        if (MemberNames.KindOf(member.Id) is null)
            return "not a type or member";
        if (summary.Length == 0)
            return member.Inherits ? "inheritdoc" : "empty";
        if (summary.Length < ShortestSummary)
            return "too short";
        if (MemberNames.IsExplicitImplementation(member.Id) || Says("For a description of this member"))
            return "explicit interface implementation";
        if (Infrastructure().IsMatch(summary))
            return "infrastructure";
        if (Says("Looks up a localized string") || ResourceProperty().IsMatch(member.Id))
            return "localized string";
        if (member.Id.AsSpan(2).StartsWith("System.Runtime.Intrinsics.") && HardwareSignature().IsMatch(summary))
            return "hardware intrinsic signature";
        // The named colours and brushes say the same sentence 141 times over.
        return Says("A system-defined color") || Says("Gets a system-defined color") ? "system-defined color" : null;

        bool Says(string start) => summary.StartsWith(start, StringComparison.Ordinal);
    }

    [GeneratedRegex("supports? the (\\.NET|product|\\.NET Framework|ASP\\.NET Core|Entity Framework Core)( \\w+)? infrastructure|infrastructure and is not intended to be used|not intended to be used directly from your code|^(This type or member is i|I)nfrastructure\\.", RegexOptions.CultureInvariant)]
    private static partial Regex Infrastructure();

    // Classes generated from resource files document each property by its message.
    [GeneratedRegex(@"^P:([\w.]+\.)?(\w*Strings|Resources|SR)\.\w+$", RegexOptions.CultureInvariant)]
    private static partial Regex ResourceProperty();

    // C declarations and mnemonics: "__m128i _mm_abs_epi8 (__m128i a)", "int8x8_t vaba_s8 (int8x8_t a, …)", "svint8_t svadd[_n_s8]_m(…)".
    [GeneratedRegex("\\b_mm|\\b__m\\d|\\b\\w+_t [a-z]\\w*(\\[\\w+\\])*\\w* ?\\(|^(void|int|unsigned|long|float|double|u?int\\d+|poly\\d+)\\b[\\w ]* _?[a-z0-9]+_\\w+ ?\\(|\\b(xmm|ymm|zmm)\\d|\\bsv\\w+(\\[|\\()|\\bsv\\w+_t\\b|\\bZresult\\b", RegexOptions.CultureInvariant)]
    private static partial Regex HardwareSignature();
}
