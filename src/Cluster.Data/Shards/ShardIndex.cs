using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cluster.Data.Shards;

/// <summary>How ids are laid out.</summary>
public enum ShardLayout
{
    /// <summary>One long stream of ids; documents follow each other.</summary>
    Stream,

    /// <summary>Rows of one length, each with a byte per id that says whether the id carries loss.</summary>
    Rows,
}

/// <summary>One file of ids, and for rows one of masks beside it.</summary>
/// <param name="Name">File name without its ending: ".ids", ".mask".</param>
/// <param name="Tokens">Ids in it.</param>
/// <param name="Sha256">Of the ids, lower-case hex.</param>
/// <param name="MaskSha256">Of the masks; null for streams.</param>
public sealed record ShardFile(string Name, long Tokens, string Sha256, string? MaskSha256);

/// <summary>What a dataset folder holds; saved as index.json.</summary>
public sealed record ShardIndex
{
    internal const int CurrentVersion = 1;
    internal const string FileName = "index.json";

    internal static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Of the format.</summary>
    public required int Version { get; init; }

    /// <summary>Stream or rows.</summary>
    public required ShardLayout Layout { get; init; }

    /// <summary>Bytes of an id, little-endian: 2 for vocabularies up to 65,536, otherwise 4.</summary>
    public required int TokenBytes { get; init; }

    /// <summary>Ids are below this.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Of the tokenizer that made the ids.</summary>
    public required string TokenizerSha256 { get; init; }

    /// <summary>Ids in all files.</summary>
    public required long Tokens { get; init; }

    /// <summary>Documents or rows.</summary>
    public required long Documents { get; init; }

    /// <summary>Ids of a row; 0 for streams.</summary>
    public required int RowLength { get; init; }

    /// <summary>The files, in order.</summary>
    public required IReadOnlyList<ShardFile> Files { get; init; }
}
