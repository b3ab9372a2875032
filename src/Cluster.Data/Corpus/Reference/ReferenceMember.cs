namespace Cluster.Data.Corpus.Reference;

/// <summary>What a member is, from the first letter of its documentation id and its name.</summary>
public enum MemberKind
{
    /// <summary>A class, structure, interface, enumeration or delegate ("T:").</summary>
    Type,

    /// <summary>An instance or static constructor ("M:…#ctor").</summary>
    Constructor,

    /// <summary>A method ("M:").</summary>
    Method,

    /// <summary>An operator or conversion ("M:…op_…").</summary>
    Operator,

    /// <summary>A property or indexer ("P:").</summary>
    Property,

    /// <summary>A field, constant or enumeration value ("F:").</summary>
    Field,

    /// <summary>An event ("E:").</summary>
    Event,
}

/// <summary>A parameter or type parameter and what it means.</summary>
public sealed record ReferenceParameter(string Name, string Text);

/// <summary>An exception type's readable name and the condition under which it is thrown.</summary>
public sealed record ReferenceException(string Type, string Condition);

/// <summary>
/// The documentation of one member as plain text, field by field. An absent field is empty. Summary and remarks may have
/// paragraphs, lists and fenced code; the other fields are one line.
/// </summary>
/// <param name="Id">The documentation id, such as <c>M:System.String.Substring(System.Int32)</c>.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Name">As a C# reader would write it: <c>String.Substring(int)</c>.</param>
public sealed record ReferenceMember(string Id, MemberKind Kind, string Name)
{
    /// <summary>What it is or does.</summary>
    public string Summary { get; init; } = "";

    /// <summary>Documented type parameters, in order.</summary>
    public IReadOnlyList<ReferenceParameter> TypeParameters { get; init; } = [];

    /// <summary>Documented parameters, in order.</summary>
    public IReadOnlyList<ReferenceParameter> Parameters { get; init; } = [];

    /// <summary>What a method returns or a property holds.</summary>
    public string Returns { get; init; } = "";

    /// <summary>Documented exceptions, in order.</summary>
    public IReadOnlyList<ReferenceException> Exceptions { get; init; } = [];

    /// <summary>Explanations and examples.</summary>
    public string Remarks { get; init; } = "";
}

/// <summary>A type with its members, in the order of the documentation file.</summary>
/// <param name="Id">The type's id without prefix: <c>System.Collections.Generic.List`1</c>.</param>
/// <param name="Name">Readable: <c>List&lt;T&gt;</c>, nested types as <c>Outer.Inner</c>.</param>
/// <param name="Namespace">Its namespace, possibly empty.</param>
/// <param name="Group">The outermost type's full name without arity, so that <c>Func</c> of any number of arguments, and a type's
/// nested types, stay on one side of the split.</param>
/// <param name="Outermost">The outermost declaring type's id; equal to <paramref name="Id"/> unless nested.</param>
/// <param name="Source">Pack and file.</param>
/// <param name="Documentation">The type's own documentation, null if there is none.</param>
/// <param name="Members">Its members.</param>
public sealed record ReferenceType(
    string Id, string Name, string Namespace, string Group, string Outermost, string Source,
    ReferenceMember? Documentation, IReadOnlyList<ReferenceMember> Members);
