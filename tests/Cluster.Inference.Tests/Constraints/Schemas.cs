using System.Text.Json;

namespace Cluster.Inference.Tests.Constraints;

/// <summary>Schemas for the tests, and JSON Schema's own rules for the keywords that are supported, without any thought of how text is written.</summary>
internal static class Schemas
{
    private static readonly Dictionary<string, string> s_all = new()
    {
        ["anything"] = "{}",
        ["object"] = """{"type":"object"}""",
        ["person"] = """
            {"type":"object","title":"Person","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer"},
             "tags":{"type":"array","items":{"type":"string","minLength":1,"maxLength":3},"maxItems":3},"ok":{"type":["boolean","null"]}},
             "required":["name","ok"],"additionalProperties":false}
            """,
        ["all optional"] = """{"type":"object","properties":{"a":{"type":"integer"},"ab":{"type":"number"},"abc":{"type":"null"}}}""",
        ["additional"] = """{"type":"object","properties":{"name":{"type":"integer"},"next":{"const":1}},"required":["name"],"additionalProperties":true}""",
        ["map"] = """{"type":"object","additionalProperties":{"type":"integer"}}""",
        ["list"] = """{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}""",
        ["tree"] = """
            {"$defs":{"node":{"type":"object","properties":{"kind":{"enum":["leaf","lea","branch"]},"children":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":2}},
             "required":["kind"],"additionalProperties":false}},"$ref":"#/$defs/node"}
            """,
        ["prefixes"] = """{"enum":["re","red","reddish",1,12,123,-1,1.5,true,null,[1],[1,2],{"a":[]},"r\"e\\d\n"]}""",
        ["unicode"] = """{"type":"array","items":{"enum":["é","日本","日","🙂","🙂🙃","\u0001"]},"minItems":1,"maxItems":4}""",
        ["unicode names"] = """{"type":"object","properties":{"é":{"const":"日本"},"日本":{"type":"string","maxLength":2},"日":{"type":"null"}},"required":["日"],"additionalProperties":false}""",
        ["choices"] = """
            {"anyOf":[{"type":"object","properties":{"kind":{"const":"a"},"value":{"type":"integer"}},"required":["kind","value"],"additionalProperties":false},
             {"type":"object","properties":{"kind":{"const":"ab"},"value":{"type":"string","maxLength":4}},"required":["kind","value"],"additionalProperties":false},
             {"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2},{"type":"number"},{"type":"string","minLength":2,"maxLength":2}]}
            """,
        ["pairs"] = """{"type":"array","items":{"type":"array","items":{"type":["integer","string"],"maxLength":2},"minItems":2,"maxItems":2},"minItems":1,"maxItems":3}""",
        ["ambiguous"] = """{"$defs":{"x":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/x"}},{"type":"array","items":{"$ref":"#/$defs/x"},"maxItems":2},{"type":"null"}]}},"$ref":"#/$defs/x"}""",
        ["deep"] = """{"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"],"additionalProperties":false}]},"maxItems":2}""",
        ["deep properties"] = """{"type":"object","properties":{"a":{"$ref":"#"},"c":{"type":"null"}},"additionalProperties":{"$ref":"#"}}""",
        ["deep optional"] = """{"type":"object","properties":{"a":{"$ref":"#"}}}""",
        ["number"] = """{"type":"number"}""",
    };

    public static TheoryData<string> Names() => [.. s_all.Keys];

    public static string Text(string name) => s_all[name];

    public static bool Conforms(JsonElement value, string schema)
    {
        using var document = JsonDocument.Parse(schema);
        return Conforms(value, document.RootElement, document.RootElement);
    }

    private static bool Conforms(JsonElement value, JsonElement schema, JsonElement root)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return schema.ValueKind == JsonValueKind.True;
        if (schema.TryGetProperty("$ref", out var reference) &&
            !Conforms(value, reference.GetString() == "#" ? root : root.GetProperty("$defs").GetProperty(reference.GetString()!["#/$defs/".Length..]), root))
            return false;
        if (schema.TryGetProperty("anyOf", out var choices) && !choices.EnumerateArray().Any(c => Conforms(value, c, root)))
            return false;
        if (schema.TryGetProperty("const", out var constant) && !JsonElement.DeepEquals(value, constant))
            return false;
        if (schema.TryGetProperty("enum", out var values) && !values.EnumerateArray().Any(v => JsonElement.DeepEquals(value, v)))
            return false;
        if (schema.TryGetProperty("type", out var type) &&
            !(type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().Select(t => t.GetString()!).ToArray() : [type.GetString()!]).Any(t => Is(value, t)))
            return false;
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                var length = value.GetString()!.EnumerateRunes().Count();
                return length >= Number(schema, "minLength", 0) && length <= Number(schema, "maxLength", int.MaxValue);
            case JsonValueKind.Array:
                return value.GetArrayLength() >= Number(schema, "minItems", 0) && value.GetArrayLength() <= Number(schema, "maxItems", int.MaxValue) &&
                    (!schema.TryGetProperty("items", out var items) || value.EnumerateArray().All(v => Conforms(v, items, root)));
            case JsonValueKind.Object:
                if (schema.TryGetProperty("required", out var required) && !required.EnumerateArray().All(n => value.TryGetProperty(n.GetString()!, out _)))
                    return false;
                return value.EnumerateObject().All(p =>
                    schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(p.Name, out var declared) ? Conforms(p.Value, declared, root)
                    : !schema.TryGetProperty("additionalProperties", out var additional) || Conforms(p.Value, additional, root));
            default:
                return true;
        }
    }

    private static int Number(JsonElement schema, string keyword, int otherwise) => schema.TryGetProperty(keyword, out var value) ? value.GetInt32() : otherwise;

    private static bool Is(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && value.GetDouble() % 1 == 0,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind == JsonValueKind.Null,
    };
}
