using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Core.Recipes;

/// <summary>
/// Recipes as strict JSON: unknown fields, wrong types and comments are errors, missing fields take their defaults. The canonical
/// form has every field, in declaration order, without white space; its SHA-256 is the recipe's identity.
/// </summary>
public static class RecipeJson
{
    private static readonly JsonSerializerOptions s_canonical = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
        IgnoreReadOnlyProperties = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private static readonly JsonSerializerOptions s_indented = new(s_canonical) { WriteIndented = true };

    /// <summary>Reads and validates.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What the text is, for errors: a file's path.</param>
    public static Recipe Parse(string json, string source)
    {
        Recipe recipe;
        try
        {
            recipe = JsonSerializer.Deserialize<Recipe>(json, s_canonical) ?? throw new JsonException("it is null");
        }
        catch (JsonException error)
        {
            throw new UserErrorException($"{source} is no recipe: {Explain(error)}.", "Compare it with the recipe that a run folder holds.", error);
        }

        recipe.Validate();
        return recipe;
    }

    /// <summary>Every field on one line: what is hashed and what crosses grain calls.</summary>
    public static string Canonical(Recipe recipe) => JsonSerializer.Serialize(recipe, s_canonical);

    /// <summary>Every field, for people.</summary>
    public static string Indented(Recipe recipe) => JsonSerializer.Serialize(recipe, s_indented);

    /// <summary>SHA-256 of the canonical form, lower-case hex.</summary>
    public static string Hash(Recipe recipe) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(recipe))));

    /// <summary>
    /// The identity of a training stage's state: two recipes that share it give the same state after so many steps. Changes that hold
    /// from there on have no part in it, nor has who keeps which part of that state.
    /// </summary>
    /// <param name="recipe">Resolved.</param>
    /// <param name="stage">One of <see cref="StageNames"/>; every stage after pre-training depends on all changes.</param>
    /// <param name="steps">Steps of the stage applied.</param>
    public static string HashAt(Recipe recipe, string stage, long steps)
    {
        recipe = recipe with { Training = recipe.Training with { ShardedOptimizer = false } };
        return Hash(stage == StageNames.Pretraining ? recipe with { Changes = [.. recipe.Changes.Where(change => change.FromStep < steps)] } : recipe);
    }

    /// <summary>The recipe with fields replaced: <c>training.learning_rate=3e-4</c>, <c>phases.0.fraction=0.02</c>.</summary>
    /// <exception cref="UserErrorException">An assignment has no '=', names no field, or its value does not fit.</exception>
    public static Recipe With(Recipe recipe, IEnumerable<string> assignments)
    {
        var root = JsonNode.Parse(Canonical(recipe))!;
        foreach (var assignment in assignments)
        {
            var equals = assignment.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new UserErrorException($"\"{assignment}\" is no assignment.", "Write field=value, such as training.learning_rate=3e-4.");
            Set(root, assignment[..equals], assignment[(equals + 1)..]);
        }

        return Parse(root.ToJsonString(s_canonical), "The recipe with the given settings");
    }

    private static void Set(JsonNode root, string path, string value)
    {
        var names = path.Split('.');
        var node = root;
        for (var i = 0; i < names.Length; i++)
        {
            var last = i == names.Length - 1;
            switch (node)
            {
                case JsonObject fields when fields.ContainsKey(names[i]):
                    if (last)
                        fields[names[i]] = Value(fields[names[i]], value);
                    else
                        node = fields[names[i]]!;
                    break;
                case JsonArray items when int.TryParse(names[i], out var index) && index >= 0 && index < items.Count:
                    if (last)
                        items[index] = Value(items[index], value);
                    else
                        node = items[index]!;
                    break;
                default:
                    var known = node is JsonObject o ? string.Join(", ", o.Select(f => f.Key)) : node is JsonArray a ? $"0 to {a.Count - 1}" : "nothing below it";
                    throw new UserErrorException($"The recipe has no field {path}: \"{names[i]}\" is unknown.", $"Known there: {known}.");
            }
        }
    }

    private static JsonNode? Value(JsonNode? old, string value)
    {
        if (old?.GetValueKind() == JsonValueKind.String)
            return JsonValue.Create(value);
        try
        {
            return JsonNode.Parse(value);
        }
        catch (JsonException)
        {
            return JsonValue.Create(value);
        }
    }

    private static string Explain(JsonException error)
    {
        var message = error.Message.Split(" Path: ")[0].TrimEnd('.');
        var type = message.LastIndexOf(' ') is var space and >= 0 ? typeof(Recipe).Assembly.GetType(message[(space + 1)..]) : null;
        if (type is { IsEnum: true })
            message = $"the value is none of {string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName))}";
        var unknown = message.IndexOf("The JSON property '", StringComparison.Ordinal);
        if (unknown >= 0)
            message = $"the field {message.Split('\'')[1]} is unknown";
        var where = error.Path is null or "$" ? "" : $" at {error.Path[2..]}";
        return error.LineNumber is { } line ? $"{message}{where} (line {line + 1})" : message + where;
    }
}
