using System.Text;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>Which evaluation sets must not be in the corpus, and what is done about it.</summary>
public sealed record DecontaminationRecipe
{
    /// <summary>n-grams and actions.</summary>
    public DecontaminationOptions Options { get; init; } = new();

    /// <summary>The sets, at least one, each named differently.</summary>
    public IReadOnlyList<EvaluationSetRecipe> Sets { get; init; } = [];

    internal void Validate()
    {
        Options.Validate();
        if (Sets.Count == 0)
            throw new UserErrorException("decontamination.sets is empty.", "Give at least one, or leave decontamination out.");
        foreach (var set in Sets)
            set.Validate();
    }
}

/// <summary>An evaluation set in a file.</summary>
public sealed record EvaluationSetRecipe
{
    /// <summary>As benchmarks call it.</summary>
    public string Name { get; init; } = "";

    /// <summary>A .jsonl, a .json with an array of objects (a run's held_out.json), or a .txt with an item on each line.</summary>
    public string Path { get; init; } = "";

    /// <summary>Fields whose texts, one after another, are the item.</summary>
    public IReadOnlyList<string> Fields { get; init; } = ["question", "answer"];

    internal void Validate()
    {
        if (Name.Length is < 1 or > 64 || !Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw new UserErrorException($"decontamination.sets has the name \"{Name}\".", "Give 1 to 64 letters, digits, '-' or '_'.");
        if (Path.Length == 0 || Fields.Count == 0)
            throw new UserErrorException($"decontamination.sets[{Name}] has no path or no fields.", "Give both.");
    }

    /// <summary>The items in the file's order.</summary>
    /// <exception cref="UserErrorException">The file cannot be read, or has no items.</exception>
    internal IReadOnlyList<string> Load()
    {
        try
        {
            List<string> items = System.IO.Path.GetExtension(Path).ToLowerInvariant() switch
            {
                ".txt" => [.. File.ReadLines(Path).Where(line => line.Length > 0)],
                ".json" => OfArray(File.ReadAllText(Path)),
                _ => [.. Lines().Select(OfObject)],
            };
            return items.Count > 0 && items.Exists(item => item.Length > 0)
                ? items
                : throw new UserErrorException($"The evaluation set {Path} has no texts in {string.Join(", ", Fields)}.", "Give the names of its fields.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new UserErrorException($"The evaluation set {Path} cannot be read: {error.Message.TrimEnd('.')}.", "Give a .jsonl, .json or .txt file.", error);
        }
    }

    private IEnumerable<JsonElement> Lines()
    {
        using var stream = Compression.Open(Path);
        foreach (var line in BoundedLines.Of(stream, 64 << 20))
        {
            if (line.Bytes.Length == 0)
                continue;
            using var document = JsonDocument.Parse(line.Bytes);
            yield return document.RootElement.Clone();
        }
    }

    private List<string> OfArray(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.ValueKind == JsonValueKind.Array
            ? [.. document.RootElement.EnumerateArray().Select(OfObject)]
            : throw new JsonException("it is no array");
    }

    private string OfObject(JsonElement item)
    {
        var text = new StringBuilder();
        foreach (var field in Fields)
        {
            if (Record.Field(item, field) is { Length: > 0 } value)
                text.Append(text.Length == 0 ? "" : "\n").Append(value);
        }

        return text.ToString();
    }
}
