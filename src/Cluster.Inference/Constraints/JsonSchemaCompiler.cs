// A JSON Schema (2020-12) becomes a grammar. Enters: its text. Leaves: a grammar all of whose places have a value, or an error that
// names keyword and JSON pointer. Does not know: bytes, tokens.
using System.Text;
using System.Text.Json;
using Cluster.Core.Errors;

namespace Cluster.Inference.Constraints;

/// <summary>
/// Compiles the subset: type, properties, required, additionalProperties, items, minItems, maxItems, enum, const, anyOf, minLength,
/// maxLength, $ref to "#" or "#/$defs/NAME". Documents of the grammar fit the schema; the grammar may be the narrower of the two:
/// declared properties come in their order, others after them; an object that declares properties has no others unless
/// additionalProperties is given; integers have neither fraction nor exponent; where no type is given, keywords of one type imply it;
/// values of enum and const and names of properties have one spelling. Keywords of a type that a schema does not allow say nothing.
/// </summary>
internal sealed class JsonSchemaCompiler
{
    /// <summary>Longest schema, in bytes of UTF-8.</summary>
    public const int MaxBytes = 65_536;

    /// <summary>Largest bound of a string or array.</summary>
    public const int MaxBound = 1_048_576;

    private const string Field = "response_format";
    private static readonly string[] s_annotations =
        ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"];

    private static readonly string[] s_types = ["object", "array", "string", "number", "integer", "boolean", "null"];
    private static readonly string[] s_objects = ["properties", "required", "additionalProperties"];
    private static readonly string[] s_arrays = ["items", "minItems", "maxItems"];
    private static readonly string[] s_strings = ["minLength", "maxLength"];
    private static readonly string[] s_keywords = ["type", .. s_objects, .. s_arrays, .. s_strings, "enum", "const", "anyOf", "$ref", "$defs"];

    private readonly List<Shape> _shapes = [];
    private readonly Dictionary<string, Shape> _definitions = [];
    private readonly Shape _root;
    private Shape? _any;

    private JsonSchemaCompiler() => _root = New("#");

    /// <summary>Compiles a schema.</summary>
    /// <exception cref="UserErrorException">It is no schema, has a keyword that is not supported, or no document fits it.</exception>
    public static JsonGrammar Compile(string schema)
    {
        using var document = Parse(schema);
        return new JsonSchemaCompiler().Compile(document.RootElement);
    }

    private static JsonDocument Parse(string schema)
    {
        byte[] bytes;
        try
        {
            bytes = new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(schema);
        }
        catch (EncoderFallbackException error)
        {
            throw new UserErrorException($"{Field} is a schema with half a surrogate pair.", "Give Unicode text.", error);
        }

        if (bytes.Length > MaxBytes)
            throw new UserErrorException($"{Field} is a schema of {bytes.Length} bytes.", $"Give at most {MaxBytes}.");
        try
        {
            // Escapes may spell half a surrogate pair, which is only found where the string is read.
            var reader = new Utf8JsonReader(bytes);
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                    reader.GetString();
            }

            return JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new UserErrorException($"{Field} is a schema that is not JSON: {error.Message}",
                "Give a JSON object, for example {\"type\": \"object\"}.", error);
        }
    }

    private JsonGrammar Compile(JsonElement schema)
    {
        if (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("$defs", out var definitions))
        {
            if (definitions.ValueKind != JsonValueKind.Object)
                throw Bad("$defs", "#", "an object of schemas", definitions);
            // All names first: they may refer to each other.
            foreach (var definition in definitions.EnumerateObject())
                _definitions.Add(definition.Name, New(Under("#/$defs", definition.Name)));
            foreach (var definition in definitions.EnumerateObject())
                Fill(_definitions[definition.Name], definition.Value);
        }

        Fill(_root, schema);
        foreach (var shape in _shapes)
            shape.Alternatives = Resolve(shape);
        for (var changed = true; changed;)
        {
            changed = false;
            foreach (var shape in _shapes)
                changed |= shape.Settle();
        }

        foreach (var shape in _shapes)
        {
            if (shape.Height == Production.Endless)
            {
                throw new UserErrorException($"{Field} has a schema at {shape.At} that only endless documents fit.",
                    "Give its recursion an end: an optional property, an array that may be empty, or another choice in anyOf.");
            }
        }

        if (_root.Height > JsonGrammar.MaxDepth)
            throw new UserErrorException($"{Field} has a schema whose documents nest {_root.Height} levels deep.",
                $"Ask for at most {JsonGrammar.MaxDepth}.");
        return new JsonGrammar(_root);
    }

    private Shape New(string at)
    {
        var shape = new Shape(at);
        _shapes.Add(shape);
        return shape;
    }

    private Shape Of(JsonElement schema, string at)
    {
        var shape = New(at);
        Fill(shape, schema);
        return shape;
    }

    private void Fill(Shape shape, JsonElement schema)
    {
        var at = shape.At;
        if (schema.ValueKind == JsonValueKind.True)
        {
            shape.Parts.Add(Any());
            return;
        }

        if (schema.ValueKind != JsonValueKind.Object)
            throw new UserErrorException($"{Field} has {Shown(schema)} at {at} where a schema belongs.", "Give an object or true.");
        var keywords = schema.EnumerateObject().Select(p => p.Name).Where(name => !s_annotations.Contains(name, StringComparer.Ordinal)).ToList();
        if (at == "#")
            keywords.Remove("$defs");
        foreach (var keyword in keywords)
        {
            if (keyword == "$defs")
                throw new UserErrorException($"{Field} has the keyword $defs at {at}.", "Define all schemas at the root.");
            if (!s_keywords.Contains(keyword, StringComparer.Ordinal))
                throw new UserErrorException($"{Field} has the keyword {keyword} at {at}, which is not supported.",
                    $"Use only {string.Join(", ", s_keywords)}.");
        }

        if (schema.TryGetProperty("$ref", out var reference))
        {
            Alone("$ref", keywords, at);
            shape.Parts.Add(Referred(reference, at));
        }
        else if (schema.TryGetProperty("anyOf", out var choices))
        {
            Alone("anyOf", keywords, at);
            if (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0)
                throw Bad("anyOf", at, "an array of at least one schema", choices);
            var i = 0;
            foreach (var choice in choices.EnumerateArray())
                shape.Parts.Add(Of(choice, $"{at}/anyOf/{i++}"));
        }
        else
        {
            var types = Types(schema, at) ?? Implied(keywords);
            if (keywords.Contains("enum") || keywords.Contains("const"))
                Literals(shape, schema, keywords, types);
            else
                Typed(shape, schema, types);
        }
    }

    private static void Alone(string keyword, List<string> keywords, string at, string? beside = null)
    {
        if (keywords.Find(k => k != keyword && k != beside) is { } other)
        {
            throw new UserErrorException($"{Field} has the keyword {other} beside {keyword} at {at}, which is not supported.",
                $"Move {other} into the schemas that {keyword} gives, or leave it out.");
        }
    }

    private Shape Referred(JsonElement reference, string at)
    {
        var target = reference.ValueKind == JsonValueKind.String ? reference.GetString()! : throw Bad("$ref", at, "a string", reference);
        if (target == "#")
            return _root;
        const string prefix = "#/$defs/";
        var name = target.StartsWith(prefix, StringComparison.Ordinal) ? Uri.UnescapeDataString(target[prefix.Length..]) : "/";
        if (!name.Contains('/', StringComparison.Ordinal) &&
            _definitions.TryGetValue(name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal), out var shape))
            return shape;
        throw Bad("$ref", at, "\"#\" or \"#/$defs/NAME\" with the name of a schema under $defs", reference);
    }

    /// <summary>The types that are given; null if none are.</summary>
    private static HashSet<string>? Types(JsonElement schema, string at)
    {
        if (!schema.TryGetProperty("type", out var given))
            return null;
        var list = given.ValueKind == JsonValueKind.Array ? given.EnumerateArray().ToArray() : [given];
        if (list.Length == 0 ||
            list.Any(t => t.ValueKind != JsonValueKind.String || !s_types.Contains(t.GetString(), StringComparer.Ordinal)))
            throw Bad("type", at, $"one or a list of {string.Join(", ", s_types)}", given);
        return [.. list.Select(t => t.GetString()!)];
    }

    private static HashSet<string> Implied(List<string> keywords)
    {
        HashSet<string> types = [];
        foreach (var (type, names) in new[] { ("object", s_objects), ("array", s_arrays), ("string", s_strings) })
        {
            if (keywords.Exists(k => names.Contains(k, StringComparer.Ordinal)))
                types.Add(type);
        }

        return types.Count > 0 ? types : [.. s_types];
    }

    private void Typed(Shape shape, JsonElement schema, HashSet<string> types)
    {
        var at = shape.At;
        if (types.Contains("object"))
            shape.Parts.Add(Object(schema, at));
        if (types.Contains("array"))
            shape.Parts.Add(Array(schema, at));
        if (types.Contains("string"))
        {
            var (min, max) = Bounds(schema, at, "minLength", "maxLength");
            shape.Parts.Add(new StringProduction(min, max));
        }

        if (types.Contains("number") || types.Contains("integer"))
            shape.Parts.Add(new NumberProduction(integer: !types.Contains("number")));
        var words = new ByteTrie();
        if (types.Contains("boolean"))
        {
            words.Add("true"u8, 0);
            words.Add("false"u8, 1);
        }

        if (types.Contains("null"))
            words.Add("null"u8, 2);
        if (words.GoesOn)
            shape.Parts.Add(new LiteralProduction(words, 0));
    }

    private ObjectProduction Object(JsonElement schema, string at)
    {
        Property[] properties = [];
        HashSet<string> required = [];
        if (schema.TryGetProperty("required", out var names))
        {
            if (names.ValueKind != JsonValueKind.Array || names.EnumerateArray().Any(n => n.ValueKind != JsonValueKind.String))
                throw Bad("required", at, "an array of strings", names);
            required = [.. names.EnumerateArray().Select(n => n.GetString()!)];
        }

        var declares = schema.TryGetProperty("properties", out var declared);
        if (declares)
        {
            if (declared.ValueKind != JsonValueKind.Object)
                throw Bad("properties", at, "an object of schemas", declared);
            properties = [.. declared.EnumerateObject().Select(p =>
                new Property(p.Name, Of(p.Value, Under($"{at}/properties", p.Name)), required.Remove(p.Name)))];
        }

        if (required.Min(StringComparer.Ordinal) is { } missing)
        {
            throw new UserErrorException($"{Field} requires the property \"{missing}\" at {at}, which properties does not declare.",
                "Declare it, with true if any value will do.");
        }

        Shape? additional;
        if (!schema.TryGetProperty("additionalProperties", out var others))
            additional = declares ? null : Any();
        else if (others.ValueKind == JsonValueKind.False)
            additional = null;
        else
            additional = Of(others, $"{at}/additionalProperties");
        return new ObjectProduction(properties, additional);
    }

    private ArrayProduction Array(JsonElement schema, string at)
    {
        var (min, max) = Bounds(schema, at, "minItems", "maxItems");
        return new ArrayProduction(schema.TryGetProperty("items", out var items) ? Of(items, $"{at}/items") : Any(), min, max);
    }

    private static (int Min, int Max) Bounds(JsonElement schema, string at, string least, string most)
    {
        var min = Bound(least) ?? 0;
        var max = Bound(most) ?? int.MaxValue;
        if (min > max)
            throw new UserErrorException($"{Field} has {least} {min} above {most} {max} at {at}.", "Let the first be at most the second.");
        return (min, max);

        int? Bound(string keyword)
        {
            if (!schema.TryGetProperty(keyword, out var value))
                return null;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var bound) && bound is >= 0 and <= MaxBound
                ? bound
                : throw Bad(keyword, at, $"a whole number from 0 to {MaxBound}", value);
        }
    }

    private static void Literals(Shape shape, JsonElement schema, List<string> keywords, HashSet<string> types)
    {
        var keyword = keywords.Contains("enum") ? "enum" : "const";
        Alone(keyword, keywords, shape.At, beside: "type");
        var given = schema.GetProperty(keyword);
        if (keyword == "enum" && (given.ValueKind != JsonValueKind.Array || given.GetArrayLength() == 0))
            throw Bad(keyword, shape.At, "an array of at least one value", given);
        var number = 0;
        // One trie for each height: a value begins only where its levels are left.
        JsonElement[] all = keyword == "enum" ? [.. given.EnumerateArray()] : [given];
        foreach (var values in all.Where(v => Fits(v, types)).GroupBy(JsonSpelling.Height))
        {
            var root = new ByteTrie();
            foreach (var value in values)
                root.Add(JsonSpelling.Of(value), number++);
            shape.Parts.Add(new LiteralProduction(root, values.Key));
        }

        if (number == 0)
        {
            throw new UserErrorException($"{Field} has {keyword} at {shape.At} with no value of the type {string.Join(" or ", types)}.",
                "Give such a value, or leave the type out.");
        }
    }

    private static bool Fits(JsonElement value, HashSet<string> types) => value.ValueKind switch
    {
        JsonValueKind.Object => types.Contains("object"),
        JsonValueKind.Array => types.Contains("array"),
        JsonValueKind.String => types.Contains("string"),
        JsonValueKind.Number => types.Contains("number") || (types.Contains("integer") && value.GetDouble() % 1 == 0),
        JsonValueKind.Null => types.Contains("null"),
        _ => types.Contains("boolean"),
    };

    /// <summary>Every JSON value.</summary>
    private Shape Any()
    {
        if (_any is { } any)
            return any;
        _any = any = New("#");
        var words = new ByteTrie();
        words.Add("true"u8, 0);
        words.Add("false"u8, 1);
        words.Add("null"u8, 2);
        any.Parts.AddRange(new Production[]
        {
            new ObjectProduction([], any), new ArrayProduction(any, 0, int.MaxValue), new StringProduction(0, int.MaxValue),
            new NumberProduction(integer: false), new LiteralProduction(words, 0),
        });
        return any;
    }

    /// <summary>The productions that a shape means, through anyOf and $ref; recursion that consumes nothing adds nothing.</summary>
    private static Production[] Resolve(Shape shape)
    {
        List<Production> productions = [];
        HashSet<Shape> seen = [shape];
        Stack<object> rest = new(Enumerable.Reverse(shape.Parts));
        while (rest.TryPop(out var part))
        {
            if (part is Production production)
            {
                productions.Add(production);
            }
            else if (part is Shape other && seen.Add(other))
            {
                for (var i = other.Parts.Count - 1; i >= 0; i--)
                    rest.Push(other.Parts[i]);
            }

            if (productions.Count > JsonGrammar.MaxReadings)
            {
                throw new UserErrorException($"{Field} has a schema at {shape.At} with more than {JsonGrammar.MaxReadings} alternatives.",
                    "Give fewer; the values of an enum count as one.");
            }
        }

        return [.. productions];
    }

    private static string Under(string at, string name) =>
        $"{at}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    private static UserErrorException Bad(string keyword, string at, string range, JsonElement value) =>
        new($"{Field} has {keyword} {Shown(value)} at {at}.", $"Give {range}.");

    private static string Shown(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 60 ? text : $"{text[..60]}…";
    }
}
