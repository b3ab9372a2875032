using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>What became of one input document, or of something that could not be read.</summary>
/// <param name="Id">The document's.</param>
/// <param name="Kept">Whether it is in the corpus.</param>
/// <param name="Bytes">UTF-8 bytes of its text as it was read.</param>
public sealed record ProvenanceRow(string Id, bool Kept, long Bytes)
{
    /// <summary>Where it ended: "read" for what could not be read; null of a kept one.</summary>
    public string? Stage { get; init; }

    /// <summary>The rule of that stage.</summary>
    public string? Rule { get; init; }

    /// <summary>The measured figure.</summary>
    public double? Value { get; init; }

    /// <summary>The limit that it broke.</summary>
    public double? Limit { get; init; }

    /// <summary>What it is a copy of: the id of the document that stays.</summary>
    public string? CopyOf { get; init; }

    /// <summary>What stages measured until then.</summary>
    public IReadOnlyDictionary<string, double>? Scores { get; init; }

    /// <summary>How often it stands in the corpus; absent for once or never.</summary>
    public int? Copies { get; init; }

    /// <summary>Paragraphs or lines that were taken out of it as copies.</summary>
    public int? UnitsRemoved { get; init; }

    /// <summary>One sentence on what could not be read.</summary>
    public string? Detail { get; init; }

    /// <summary>The beginning of a dropped document's text, for <c>corpus sample</c>.</summary>
    public string? Beginning { get; init; }
}

/// <summary>Files of rows: JSON on lines, zstd with checksum, whole or not there.</summary>
internal static class ProvenanceFile
{
    /// <summary>Adds a row.</summary>
    public static void Add(RecordWriter writer, ProvenanceRow row) => writer.Add(json =>
    {
        json.WriteString("id", row.Id);
        json.WriteBoolean("kept", row.Kept);
        json.WriteNumber("bytes", row.Bytes);
        if (row.Stage is not null)
            json.WriteString("stage", row.Stage);
        if (row.Rule is not null)
            json.WriteString("rule", row.Rule);
        if (row.Value is { } value && double.IsFinite(value))
            json.WriteNumber("value", value);
        if (row.Limit is { } limit && double.IsFinite(limit))
            json.WriteNumber("limit", limit);
        if (row.CopyOf is not null)
            json.WriteString("copy_of", row.CopyOf);
        if (row.Scores is { Count: > 0 } scores)
        {
            json.WriteStartObject("scores");
            foreach (var (name, score) in scores)
            {
                if (double.IsFinite(score))
                    json.WriteNumber(name, score);
            }

            json.WriteEndObject();
        }

        if (row.Copies is { } copies)
            json.WriteNumber("copies", copies);
        if (row.UnitsRemoved is { } units)
            json.WriteNumber("units_removed", units);
        if (row.Detail is not null)
            json.WriteString("detail", row.Detail);
        if (row.Beginning is not null)
            json.WriteString("beginning", row.Beginning);
    });

    /// <summary>The rows of a file, one at a time.</summary>
    /// <exception cref="UserErrorException">It is missing or damaged.</exception>
    public static IEnumerable<ProvenanceRow> Read(string path)
    {
        Stream stream;
        try
        {
            stream = Compression.Open(path);
        }
        catch (Exception error) when (Compression.Reason(error, path) is not null)
        {
            throw Damaged(path, error);
        }

        using (stream)
        {
            using var lines = BoundedLines.Of(stream, int.MaxValue / 2).GetEnumerator();
            while (true)
            {
                try
                {
                    if (!lines.MoveNext())
                        yield break;
                }
                catch (Exception error) when (Compression.Reason(error, path) is not null)
                {
                    throw Damaged(path, error);
                }

                yield return RunJson.Parse<ProvenanceRow>(System.Text.Encoding.UTF8.GetString(lines.Current.Bytes.Span), path);
            }
        }
    }

    private static UserErrorException Damaged(string path, Exception error) =>
        new($"{path} is missing or damaged ({error.Message.TrimEnd('.')}).", "Build the corpus again.", error);
}
