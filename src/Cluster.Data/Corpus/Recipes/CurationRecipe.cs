using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Sources;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>
/// How a corpus is made: sources, stages, duplicates, mix. Everything in it decides the result; workers, processes, memory and paths of
/// the output do not and are not in it.
/// </summary>
public sealed record CurationRecipe
{
    /// <summary>Names the corpus: 1 to 64 letters, digits, '-', '_' or '.'.</summary>
    public string Name { get; init; } = "corpus";

    /// <summary>Key of everything that is drawn: samples, synthetic text.</summary>
    public ulong Seed { get; init; }

    /// <summary>Where texts come from, in the order that decides between equal copies; at least one.</summary>
    public IReadOnlyList<SourceRecipe> Sources { get; init; } = [];

    /// <summary>What each document goes through, in order. Without it, those of <see cref="CurationPresets.Web"/>.</summary>
    public IReadOnlyList<StageRecipe> Stages { get; init; } = CurationPresets.Web;

    /// <summary>Which copies go.</summary>
    public DuplicatesRecipe Duplicates { get; init; } = new();

    /// <summary>Evaluation sets that must not be in it; null looks for none.</summary>
    public DecontaminationRecipe? Decontamination { get; init; }

    /// <summary>Proportions of sources, hosts or languages; null takes everything once.</summary>
    public MixOptions? Mix { get; init; }

    /// <summary>The vocabulary that is learnt from the corpus; null learns none.</summary>
    // Left out where it is null: recipes that never heard of it keep their hashes.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public VocabularyRecipe? Tokenizer { get; init; }

    /// <summary>Sizes of files, lines and partitions.</summary>
    public ReadLimits Limits { get; init; } = new();

    /// <summary>
    /// Share of files, records or bytes that may be unreadable before the build stops, 0 to 1. What was lost is counted with its reasons
    /// either way.
    /// </summary>
    public double MaximumFailedShare { get; init; } = 0.01;

    /// <summary>Checks every field.</summary>
    /// <exception cref="UserErrorException">A field is out of range; the message names field, value and range.</exception>
    public void Validate()
    {
        if (Name.Length is < 1 or > 64 || !Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new UserErrorException($"name is \"{Name}\".", "Give 1 to 64 letters, digits, '-', '_' or '.'.");
        if (Sources.Count == 0)
            throw new UserErrorException("sources is empty.", "Give at least one.");
        foreach (var source in Sources)
            source.Validate();
        if (Sources.CountBy(source => source.Name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(pair => pair.Value > 1).Key is { } twice)
            throw new UserErrorException($"Two sources have the name \"{twice}\".", "Give each its own.");
        Limits.Validate();
        Duplicates.Validate();
        Decontamination?.Validate();
        Mix?.Validate();
        Tokenizer?.Validate();
        if (!(MaximumFailedShare is >= 0 and <= 1))
            throw new UserErrorException(FormattableString.Invariant($"maximum_failed_share is {MaximumFailedShare}."), "Give a number from 0 to 1.");
        foreach (var stage in Stages)
            StageCatalogue.Validate(stage);
    }
}

/// <summary>Recipes of corpora as strict JSON in snake_case, as recipes of training are: unknown fields and wrong types are errors, missing fields take their defaults.</summary>
public static class CurationRecipeJson
{
    private static readonly JsonSerializerOptions s_canonical = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
        AllowOutOfOrderMetadataProperties = true,
        IgnoreReadOnlyProperties = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private static readonly JsonSerializerOptions s_indented = new(s_canonical) { WriteIndented = true, NewLine = "\n" };

    /// <summary>Reads and validates.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What the text is, for errors: a file's path.</param>
    /// <exception cref="UserErrorException">It is no recipe, or a field is out of range.</exception>
    public static CurationRecipe Parse(string json, string source)
    {
        var recipe = Read<CurationRecipe>(json, source, "recipe of a corpus");
        recipe.Validate();
        return recipe;
    }

    /// <summary>Every field on one line: what is hashed and what crosses grain calls.</summary>
    public static string Canonical(CurationRecipe recipe) => JsonSerializer.Serialize(recipe, s_canonical);

    /// <summary>Every field, for people.</summary>
    public static string Indented(CurationRecipe recipe) => JsonSerializer.Serialize(recipe, s_indented);

    /// <summary>A mix as it stands in a recipe.</summary>
    public static string Indented(MixOptions mix) => JsonSerializer.Serialize(mix, s_indented);

    /// <summary>Reads a mix as it stands in a recipe, and validates it.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What the text is, for errors: a file's path.</param>
    /// <exception cref="UserErrorException">It is no mix, or a field is out of range.</exception>
    public static MixOptions ParseMix(string json, string source) => Read<MixOptions>(json, source, "mix of a corpus").Validate();

    /// <summary>SHA-256 of the canonical form, lower-case hex.</summary>
    public static string Hash(CurationRecipe recipe) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(recipe))));

    private static T Read<T>(string json, string source, string what)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, s_canonical) ?? throw new JsonException("it is null");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException)
        {
            var message = error.Message.Split(" Path: ")[0].TrimEnd('.');
            var where = error is JsonException { Path: { } path } && path != "$" ? $" at {path[2..]}" : "";
            throw new UserErrorException($"{source} is no {what}: {message}{where}.", "Compare it with the recipe.json that a corpus folder holds.", error);
        }
    }
}
