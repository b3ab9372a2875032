using System.IO.Compression;
using ZstdSharp;

namespace Cluster.Data.Corpus.Sources.Files;

/// <summary>
/// Which files are compressed, and how they are opened. A file that ends too early is an error here, never a shorter text: for gzip by
/// the runtime's switch <c>System.IO.Compression.UseStrictValidation</c>, which Directory.Build.props sets for every program.
/// </summary>
internal static class Compression
{
    /// <summary>The name without .gz or .zst: "a.jsonl" of "a.jsonl.zst".</summary>
    public static string InnerName(string path) =>
        path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3]
        : path.EndsWith(".zst", StringComparison.OrdinalIgnoreCase) ? path[..^4]
        : path;

    /// <summary>Whether <see cref="Open"/> decompresses it: ranges of bytes make no sense then.</summary>
    public static bool IsCompressed(string path) => InnerName(path).Length != path.Length;

    /// <summary>Opens for reading from the start.</summary>
    public static Stream Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16, FileOptions.SequentialScan);
        return path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress)
            : path.EndsWith(".zst", StringComparison.OrdinalIgnoreCase) ? new DecompressionStream(file, leaveOpen: false)
            : file;
    }

    /// <summary>The reason in snake_case for an exception of reading, or null for one that is a fault of this program.</summary>
    public static string? Reason(Exception error, string path) => error switch
    {
        UnauthorizedAccessException => "unreadable_file",
        FileNotFoundException or DirectoryNotFoundException => "vanished_file",
        InvalidDataException or EndOfStreamException or ZstdException when path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) => "corrupt_gzip",
        InvalidDataException or EndOfStreamException or ZstdException when path.EndsWith(".zst", StringComparison.OrdinalIgnoreCase) => "corrupt_zstd",
        InvalidDataException or EndOfStreamException => "corrupt_file",
        IOException => "unreadable_file",
        _ => null,
    };
}
