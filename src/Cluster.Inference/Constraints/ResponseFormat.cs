using Cluster.Core.Errors;

namespace Cluster.Inference.Constraints;

/// <summary>
/// The form that a reply must have: JSON, and if a schema is given, JSON that fits it. Its bounds: at most 64 arrays and objects within
/// each other; between two parts nothing, one space, or a newline and at most 4 spaces for each array or object around; nothing after
/// the end; numbers of at most 18 digits before and 18 after the point and 2 in the exponent. Properties come in the order in which the
/// schema declares them, optional ones may be left out, and names and enum values have one spelling; see
/// <see cref="JsonSchemaCompiler"/> for which keywords there are. Equal if the text is.
/// </summary>
public sealed class ResponseFormat : IEquatable<ResponseFormat>
{
    private ResponseFormat(string schema) => (Schema, Grammar) = (schema, JsonSchemaCompiler.Compile(schema));

    /// <summary>Any JSON object.</summary>
    public static ResponseFormat JsonObject { get; } = new("""{"type":"object"}""");

    /// <summary>The schema's text.</summary>
    public string Schema { get; }

    internal JsonGrammar Grammar { get; }

    /// <summary>A JSON value that fits a schema.</summary>
    /// <param name="schema">JSON Schema, at most 65,536 bytes.</param>
    /// <exception cref="UserErrorException">It is no schema, or has what is not supported; the message names keyword and place.</exception>
    public static ResponseFormat JsonSchema(string schema) => new(schema);

    /// <inheritdoc/>
    public bool Equals(ResponseFormat? other) => other is not null && Schema == other.Schema;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ResponseFormat);

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(Schema, StringComparison.Ordinal);
}
