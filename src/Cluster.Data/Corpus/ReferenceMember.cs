namespace Cluster.Data.Corpus;

/// <summary>What a documented member is; from the first letter of its id and, for methods, its name.</summary>
public enum MemberKind
{
    /// <summary>A class, struct, interface, enum or delegate.</summary>
    Type,

    /// <summary>A constructor.</summary>
    Constructor,

    /// <summary>A method.</summary>
    Method,

    /// <summary>An operator or a conversion.</summary>
    Operator,

    /// <summary>A property or an indexer.</summary>
    Property,

    /// <summary>A field, also of an enum.</summary>
    Field,

    /// <summary>An event.</summary>
    Event,
}

/// <summary>A name and what is said of it: a parameter and its meaning, an exception's type and its condition.</summary>
public sealed record NamedText(string Name, string Text);

/// <summary>One member of the class library as plain text, markup resolved.</summary>
/// <param name="Id">The documentation id, such as "M:System.String.Substring(System.Int32)".</param>
/// <param name="Kind">What it is.</param>
/// <param name="Type">Full name of the declaring type (of a type: itself), such as "System.Collections.Generic.List&lt;T&gt;".</param>
/// <param name="Group">Full name of the outermost declaring type without its arity; what the split goes by.</param>
/// <param name="Name">Readable name with parameter types: "String.Substring(int)".</param>
/// <param name="Signature">The same with parameter names: "String.Substring(int startIndex)".</param>
/// <param name="Summary">What it is or does; never empty.</param>
/// <param name="TypeParameters">Type parameters that are described.</param>
/// <param name="Parameters">Parameters that are described, in order.</param>
/// <param name="Returns">What a method returns, or empty.</param>
/// <param name="Value">A property's value, or empty.</param>
/// <param name="Exceptions">Exceptions by short type name, with the condition.</param>
/// <param name="Remarks">Remarks, or empty.</param>
/// <param name="Source">Pack, version and file.</param>
public sealed record ReferenceMember(
    string Id,
    MemberKind Kind,
    string Type,
    string Group,
    string Name,
    string Signature,
    string Summary,
    IReadOnlyList<NamedText> TypeParameters,
    IReadOnlyList<NamedText> Parameters,
    string Returns,
    string Value,
    IReadOnlyList<NamedText> Exceptions,
    string Remarks,
    string Source);
