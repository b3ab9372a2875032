using System.Globalization;
using System.Text.Json;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// A record of a .jsonl line or a parquet row as a document: its text, and what it says about it under the names that public corpora use
/// (url, date or timestamp, author, license, language, title, content_type), and as shards of a built corpus do (group).
/// </summary>
internal sealed class Record(Func<string, string?> field)
{
    /// <summary>Names in the order in which they are looked for.</summary>
    public static IReadOnlyList<string> UrlFields { get; } = ["url", "source_url", "uri"];

    /// <inheritdoc cref="UrlFields"/>
    public static IReadOnlyList<string> DateFields { get; } = ["date", "timestamp", "created", "published"];

    /// <inheritdoc cref="UrlFields"/>
    public static IReadOnlyList<string> LicenseFields { get; } = ["license", "licence"];

    /// <inheritdoc cref="UrlFields"/>
    public static IReadOnlyList<string> LanguageFields { get; } = ["language", "lang"];

    /// <summary>All the names beside the text's, for readers that fetch columns.</summary>
    public static IReadOnlyList<string> AllFields { get; } =
        [.. UrlFields, .. DateFields, .. LicenseFields, .. LanguageFields, "author", "title", "content_type", "group"];

    /// <summary>The document, or null if no field holds its text.</summary>
    public Document? ToDocument(FileReading reading, SourceFile file, long place)
    {
        if (First(reading.TextFields) is not { } text)
            return null;
        var id = reading.Id(file, place);
        var metadata = reading.Metadata(file, field("content_type") ?? "text/plain");
        return new Document(id, text, field("group") is { Length: > 0 } group ? group : id, file.Path, Title: field("title"))
        {
            Metadata = metadata with
            {
                Url = First(UrlFields) ?? metadata.Url,
                Date = Date(First(DateFields)) ?? metadata.Date,
                Author = field("author") ?? metadata.Author,
                License = First(LicenseFields) ?? metadata.License,
                Language = First(LanguageFields) is { Length: 2 } language ? language.ToLowerInvariant() : metadata.Language,
            },
        };
    }

    /// <summary>A field of a JSON object, if it is a string.</summary>
    public static string? Field(JsonElement record, string name) =>
        record.ValueKind == JsonValueKind.Object && record.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private string? First(IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            if (field(name) is { } value)
                return value;
        }

        return null;
    }

    private static DateTimeOffset? Date(string? text) => DateTimeOffset.TryParse(
        text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var date) ? date : null;
}
