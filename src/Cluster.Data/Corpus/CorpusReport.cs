using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>What went into a corpus, what came out, and why the rest did not: the data card's figures.</summary>
public sealed record CorpusReport
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NewLine = "\n",
        NumberHandling = JsonNumberHandling.Strict,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The source in one phrase.</summary>
    public required string Source { get; init; }

    /// <summary>Files read.</summary>
    public required int Files { get; init; }

    /// <summary>Their bytes.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Bytes (UTF-8) of the curated documents in all parts.</summary>
    public required long BytesOut { get; init; }

    /// <summary>Ill-formed UTF-8 sequences, each replaced by U+FFFD.</summary>
    public required long InvalidUtf8Sequences { get; init; }

    /// <summary>Counts in, out and dropped by reason, stage by stage.</summary>
    public required IReadOnlyList<CorpusStage> Stages { get; init; }

    /// <summary>How the parts were made, and their sizes.</summary>
    public required SplitReport Split { get; init; }

    /// <summary>Overlap of validation text with training text.</summary>
    public required NgramOverlapReport ValidationOverlap { get; init; }

    /// <summary>Overlap of test text with training text.</summary>
    public required NgramOverlapReport TestOverlap { get; init; }

    /// <summary>The scorer's name.</summary>
    public required string QualityScorer { get; init; }

    /// <summary>Training documents in the best decile.</summary>
    public required int BestDocuments { get; init; }

    /// <summary>Their bytes (UTF-8).</summary>
    public required long BestBytes { get; init; }

    /// <summary>Conversations by part: train, validation, test.</summary>
    public required IReadOnlyDictionary<string, int> Conversations { get; init; }

    /// <summary>Things a user should know, one sentence each.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>SHA-256 over parts, ids and texts in order: equal hashes mean equal corpora.</summary>
    public required string ContentSha256 { get; init; }

    /// <summary>SHA-256 over parts, ids and messages of the dialogues in order.</summary>
    public required string DialoguesSha256 { get; init; }

    /// <summary>Indented JSON in snake_case; the same bytes for the same corpus.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What the text is, for errors.</param>
    /// <exception cref="UserErrorException">It is something else, or damaged.</exception>
    public static CorpusReport FromJson(string json, string source)
    {
        try
        {
            return JsonSerializer.Deserialize<CorpusReport>(json, Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException error)
        {
            throw new UserErrorException($"{source} cannot be read: {error.Message.Split(" Path: ")[0]}", "Run the same command in a new folder.", error);
        }
    }
}
