// The one spelling in which given values are written: without blanks, characters as they are, escapes only where JSON demands them.
// Enters: names and values of a schema. Leaves: UTF-8. Does not know: grammars.
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Cluster.Inference.Constraints;

/// <summary>How names, enum and const are spelt. Numbers keep the schema's spelling.</summary>
internal static class JsonSpelling
{
    /// <summary>A string without its quotes.</summary>
    public static byte[] InsideQuotes(string text)
    {
        var spelt = new StringBuilder();
        Append(spelt, text);
        return Encoding.UTF8.GetBytes(spelt.ToString());
    }

    /// <summary>A value.</summary>
    public static byte[] Of(JsonElement value)
    {
        var spelt = new StringBuilder();
        Append(spelt, value);
        return Encoding.UTF8.GetBytes(spelt.ToString());
    }

    /// <summary>How many arrays and objects are nested in it, itself included.</summary>
    public static int Height(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => 1 + value.EnumerateArray().Select(Height).DefaultIfEmpty(0).Max(),
        JsonValueKind.Object => 1 + value.EnumerateObject().Select(p => Height(p.Value)).DefaultIfEmpty(0).Max(),
        _ => 0,
    };

    private static void Append(StringBuilder spelt, JsonElement value)
    {
        var comma = "";
        switch (value.ValueKind)
        {
            case JsonValueKind.Array:
                spelt.Append('[');
                foreach (var item in value.EnumerateArray())
                {
                    spelt.Append(comma);
                    Append(spelt, item);
                    comma = ",";
                }

                spelt.Append(']');
                break;
            case JsonValueKind.Object:
                spelt.Append('{');
                foreach (var property in value.EnumerateObject())
                {
                    spelt.Append(comma).Append('"');
                    Append(spelt, property.Name);
                    spelt.Append("\":");
                    Append(spelt, property.Value);
                    comma = ",";
                }

                spelt.Append('}');
                break;
            case JsonValueKind.String:
                spelt.Append('"');
                Append(spelt, value.GetString()!);
                spelt.Append('"');
                break;
            default:
                spelt.Append(value.GetRawText());
                break;
        }
    }

    private static void Append(StringBuilder spelt, string text)
    {
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => spelt.Append("\\\""),
                '\\' => spelt.Append("\\\\"),
                '\n' => spelt.Append("\\n"),
                '\t' => spelt.Append("\\t"),
                '\r' => spelt.Append("\\r"),
                < ' ' => spelt.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => spelt.Append(c),
            };
        }
    }
}
