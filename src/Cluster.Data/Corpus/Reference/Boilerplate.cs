using System.Text.RegularExpressions;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// Decides which members teach nothing, with one named reason each. Pure; looks at one member at a time (duplicates are found
/// elsewhere). The rules come from reading the documentation of .NET 10's reference packs.
/// </summary>
internal static partial class Boilerplate
{
    private const int FewestWords = 3;

    /// <summary>No text in any field.</summary>
    public const string Empty = "empty";

    /// <summary>Only an <c>inheritdoc</c> element: the text is somewhere else.</summary>
    public const string InheritDoc = "inheritdoc";

    /// <summary>"To be added." and the like.</summary>
    public const string Placeholder = "placeholder";

    /// <summary>"This API supports the .NET infrastructure and is not intended to be used directly from your code."</summary>
    public const string Infrastructure = "infrastructure";

    /// <summary>A hardware intrinsic whose summary is a C signature and an instruction.</summary>
    public const string Intrinsic = "hardware_intrinsic";

    /// <summary>A generated accessor of a localized message, whose summary is the message.</summary>
    public const string ResourceString = "resource_string";

    /// <summary>An explicit interface implementation: not callable by its name, its text is the interface's.</summary>
    public const string ExplicitInterface = "explicit_interface_implementation";

    /// <summary>Compiler-generated or not visible to users: generated names, native interop, internal namespaces.</summary>
    public const string NotPublic = "not_public";

    /// <summary>"Initializes a new instance of the List class." of a constructor without parameters.</summary>
    public const string DefaultConstructor = "default_constructor";

    /// <summary>Less than three words of text in all.</summary>
    public const string Trivial = "trivial";

    /// <summary>Reasons that lie in the id alone; null if there is none.</summary>
    public static string? OfId(string id)
    {
        var (owner, name, _, _) = id[0] == 'T' ? new MemberIds.Parts(id[2..], "", "", "") : MemberIds.Split(id);
        if (name.Contains('#', StringComparison.Ordinal) && name is not ("#ctor" or "#cctor"))
            return ExplicitInterface;
        if (owner.StartsWith("Windows.Win32.", StringComparison.Ordinal) || owner.Contains('<', StringComparison.Ordinal)
            || owner.Contains(".Internal.", StringComparison.Ordinal) || owner.Contains(".Generated.", StringComparison.Ordinal)
            || owner.Contains(".__", StringComparison.Ordinal) || name.StartsWith('_') || name.StartsWith('<'))
            return NotPublic;
        var type = owner.AsSpan()[(owner.LastIndexOf('.') + 1)..];
        if (type is "SR" || type.EndsWith("Resources") || (type.EndsWith("Strings") && type is not "Strings"))
            return ResourceString;
        return null;
    }

    /// <summary>Reasons that lie in the text; null if there is none.</summary>
    public static string? OfText(ReferenceMember member, bool inherits)
    {
        var words = Words(member.Summary) + Words(member.Returns) + Words(member.Remarks)
            + member.Parameters.Sum(parameter => Words(parameter.Text)) + member.TypeParameters.Sum(parameter => Words(parameter.Text))
            + member.Exceptions.Sum(exception => Words(exception.Condition));
        if (words == 0)
            return inherits ? InheritDoc : Empty;
        if (IsInfrastructure(member.Summary))
            return Infrastructure;
        if (member.Id.AsSpan(2).StartsWith("System.Runtime.Intrinsics.") && Instruction().IsMatch(member.Summary))
            return Intrinsic;
        if (member is { Kind: MemberKind.Constructor, Parameters.Count: 0, Exceptions.Count: 0, Remarks: "" }
            && DefaultConstructorText().IsMatch(member.Summary))
            return DefaultConstructor;
        return words < FewestWords ? Trivial : null;
    }

    /// <summary>Whether a text says less than a sentence can: "The context." beside a parameter of that name.</summary>
    public static bool IsTrivial(string text) => Words(text) < FewestWords;

    /// <summary>Whether a field's text only says that somebody should write it.</summary>
    public static bool IsPlaceholder(string text) => PlaceholderText().IsMatch(text);

    /// <summary>"Gets the length of the list." is followed by "The length of the list." in half of all properties.</summary>
    public static bool Repeats(string summary, string returns) =>
        summary.Contains(XmlProse.LowerFirst(returns).TrimEnd('.'), StringComparison.OrdinalIgnoreCase);

    /// <summary>Removes paragraphs that only say where a type is packaged.</summary>
    public static string WithoutPackaging(string text) =>
        text.Contains("NuGet package: ", StringComparison.Ordinal) ? Packaging().Replace(text, "").Trim() : text;

    private static bool IsInfrastructure(string summary) =>
        summary.Length < 300
        && (summary.Contains("infrastructure and is not ", StringComparison.Ordinal)
            || summary.Contains("infrastructure and are not ", StringComparison.Ordinal)
            || summary.Contains("not intended to be used directly", StringComparison.Ordinal)
            || summary.Contains("not meant to be used directly", StringComparison.Ordinal)
            || summary.StartsWith("For internal use only", StringComparison.OrdinalIgnoreCase)
            || summary.StartsWith("Infrastructure. ", StringComparison.Ordinal)
            || summary.StartsWith("Reserved for internal use", StringComparison.Ordinal));

    private static int Words(string text) => WordStart().Count(text);

    // C vector types and calls, register operands, "A64: ZIP2 Vd.2D": any of them marks a signature, not a sentence.
    [GeneratedRegex(
        @"\b_+m(m|\d)|\b_\w+_|_t\b|\bsv\w+_|\bA(32|64): |\b[xyz]mm\d?\b|\b(__)?(un)?signed (int|char|__int)"
        + @"|\bunsigned __int64|\br(8|16|32|64)\b|^\w+ \w*_\w* ?\(|^v128_t ",
        RegexOptions.CultureInvariant)]
    private static partial Regex Instruction();

    [GeneratedRegex(
        @"^(to be added|tbd|todo|to do|missing documentation|documentation missing|n/a|undocumented|add content here)\.?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PlaceholderText();

    [GeneratedRegex(
        @"^(Initializes|Creates|Constructs) (a new|an) instance of( the)? \S+( (class|struct|structure|type|object))?\.$",
        RegexOptions.CultureInvariant)]
    private static partial Regex DefaultConstructorText();

    [GeneratedRegex(@"(^|\n\n)NuGet package: [^\n]*", RegexOptions.CultureInvariant)]
    private static partial Regex Packaging();

    [GeneratedRegex(@"\p{L}[\p{L}\p{Nd}]*", RegexOptions.CultureInvariant)]
    private static partial Regex WordStart();
}
