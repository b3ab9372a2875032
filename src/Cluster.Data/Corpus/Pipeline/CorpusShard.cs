// Enters: documents that a corpus keeps. Leaves: a line of JSON for each, and the documents again. Does not know: who stays.

using System.Globalization;
using System.Text;
using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Files;
using ZstdSharp;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// A shard of a corpus: what training and other corpora read. Fields: id, text, title, group, source (the name of the source in the
/// recipe), url, date, author, license, language, content_type, weight, quality, scores; those that say nothing are left out.
/// </summary>
public static class CorpusShard
{
    private const string DateFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";

    internal static void Add(RecordWriter shard, Document document) => shard.Add(json =>
    {
        json.WriteString("id", document.Id);
        json.WriteString("text", document.Text);
        if (document.Title is not null)
            json.WriteString("title", document.Title);
        json.WriteString("group", document.Group);
        var metadata = document.Metadata;
        Optional("source", metadata.Dataset);
        Optional("url", metadata.Url);
        if (metadata.Date is { } date)
            json.WriteString("date", date.UtcDateTime.ToString(DateFormat, CultureInfo.InvariantCulture));
        Optional("author", metadata.Author);
        Optional("license", metadata.License);
        Optional("language", metadata.Language);
        Optional("content_type", metadata.ContentType);
        json.WriteNumber("weight", metadata.Weight);
        json.WriteNumber("quality", document.Quality);
        if (document.Scores.Count > 0)
        {
            json.WriteStartObject("scores");
            foreach (var score in document.Scores.DistinctBy(score => score.Name))
                json.WriteNumber(score.Name, score.Value);
            json.WriteEndObject();
        }

        void Optional(string name, string? value)
        {
            if (value is not null)
                json.WriteString(name, value);
        }
    });

    /// <summary>The documents of a shard in order. Streams.</summary>
    /// <param name="path"><see cref="CorpusFolder.Shard"/>.</param>
    /// <exception cref="UserErrorException">The shard is missing or damaged.</exception>
    public static IEnumerable<Document> Read(string path)
    {
        StreamReader reader;
        try
        {
            reader = new StreamReader(Compression.Open(path), Encoding.UTF8);
        }
        catch (IOException error)
        {
            throw Damaged(path, error);
        }

        using (reader)
        {
            while (true)
            {
                Document document;
                try
                {
                    if (reader.ReadLine() is not { } line)
                        yield break;
                    document = Parse(line, path);
                }
                catch (Exception error) when (error is IOException or InvalidDataException or ZstdException or JsonException or InvalidOperationException or KeyNotFoundException)
                {
                    throw Damaged(path, error);
                }

                yield return document;
            }
        }
    }

    private static Document Parse(string line, string path)
    {
        using var record = JsonDocument.Parse(line);
        var root = record.RootElement;
        return new Document(
            root.GetProperty("id").GetString()!, root.GetProperty("text").GetString()!, root.GetProperty("group").GetString()!, path,
            root.GetProperty("quality").GetDouble(), Record.Field(root, "title"))
        {
            Metadata = new DocumentMetadata
            {
                Dataset = Record.Field(root, "source"),
                Url = Record.Field(root, "url"),
                Date = Record.Field(root, "date") is { } date
                    ? DateTimeOffset.ParseExact(date, DateFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal) : null,
                Author = Record.Field(root, "author"),
                License = Record.Field(root, "license"),
                Language = Record.Field(root, "language"),
                ContentType = Record.Field(root, "content_type"),
                Weight = root.GetProperty("weight").GetDouble(),
            },
            Scores = root.TryGetProperty("scores", out var scores)
                ? [.. scores.EnumerateObject().Select(score => new DocumentScore(score.Name, score.Value.GetDouble()))] : [],
        };
    }

    private static UserErrorException Damaged(string path, Exception error) =>
        new($"The shard {path} is missing or damaged ({error.Message.TrimEnd('.')}).", "Build the corpus again into a new folder.", error);
}
