using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cluster.Core.Errors;

namespace Cluster.Core.Runs;

/// <summary>How the files of a run folder are written: snake_case, absent where null.</summary>
public static class RunJson
{
    private static readonly JsonSerializerOptions s_line = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        IgnoreReadOnlyProperties = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private static readonly JsonSerializerOptions s_document = new(s_line) { WriteIndented = true };

    /// <summary>On one line.</summary>
    public static string Line<T>(T value) => JsonSerializer.Serialize(value, s_line);

    /// <summary>For people.</summary>
    public static string Document<T>(T value) => JsonSerializer.Serialize(value, s_document);

    /// <summary>Reads what either wrote.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What the text is, for errors.</param>
    /// <exception cref="UserErrorException">It is something else, or damaged.</exception>
    public static T Parse<T>(string json, string source)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, s_line) ?? throw new JsonException("it is null");
        }
        catch (JsonException error)
        {
            throw new UserErrorException($"{source} cannot be read: {error.Message.Split(" Path: ")[0]}", "It was changed or cut short; restore it, or start the run in a new folder.", error);
        }
    }

    /// <summary>The lines of a file; none where there is no file. A last line that was cut short by a crash is left out.</summary>
    public static IReadOnlyList<T> ReadLines<T>(string path)
    {
        if (!File.Exists(path))
            return [];
        var text = File.ReadAllText(path);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Parse<T>(line, path))];
    }
}
