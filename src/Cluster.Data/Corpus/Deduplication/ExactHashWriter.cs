// Enters: the documents of one partition. Leaves: a file with the hash of each document, paragraph or line. Does not know: other partitions.

using System.Runtime.InteropServices;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>What exact de-duplication compares.</summary>
public sealed record ExactOptions
{
    /// <summary>Whole documents, paragraphs or lines.</summary>
    public ExactLevel Level { get; init; } = ExactLevel.Document;

    /// <summary>
    /// Paragraphs and lines of fewer characters, outer white space aside, always stay; 1 or more. Headings, brackets and list items repeat
    /// in good text. Documents count from one character on.
    /// </summary>
    public int MinimumCharacters { get; init; } = 32;

    internal string Scheme => Level == ExactLevel.Document
        ? "exact document"
        : FormattableString.Invariant($"exact {Level.ToString().ToLowerInvariant()} of {MinimumCharacters}");

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public ExactOptions Validate() => MinimumCharacters >= 1
        ? this
        : throw new UserErrorException(FormattableString.Invariant($"minimum_characters is {MinimumCharacters}."), "Give 1 or more.");
}

/// <summary>The hash of one unit, as a file holds it (32 bytes).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct UnitHash(ulong High, ulong Low, uint Length, uint Quality, int Index, int Unit);

/// <summary>
/// Hashes a partition's documents: 128 bits of SHA-256 (<see cref="StableHash"/>) over each unit without outer white space, at every
/// level alike. The file is a function of the documents and the options.
/// </summary>
public sealed class ExactHashWriter : IDisposable
{
    internal const string Magic = "CLEXACT1";

    private readonly ExactOptions _options;
    private readonly PartitionFile _file;
    private long _rows;
    private int _documents;

    /// <param name="path">The file to write.</param>
    /// <param name="partition">The partition's number, 0 or more, in source order.</param>
    /// <param name="options">What is compared; the same for all files that are resolved together.</param>
    /// <exception cref="UserErrorException">An option is out of range, or the file can't be written.</exception>
    public ExactHashWriter(string path, int partition, ExactOptions options) =>
        (_options, _file) = (options.Validate(), new PartitionFile(path, Magic, options.Scheme, partition));

    /// <summary>The next document; the first has index 0.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="quality">In [0, 1]; of equal texts the one in the better document stays.</param>
    public void Add(string text, double quality = 0)
    {
        var step = DocumentRank.QualityStep(quality);
        var least = _options.Level == ExactLevel.Document ? 1 : _options.MinimumCharacters;
        var unit = 0;
        foreach (var range in TextUnits.Of(text, _options.Level))
        {
            var content = text.AsSpan(range).Trim();
            if (content.Length >= least)
            {
                var hash = StableHash.Hash128(content);
                var row = new UnitHash((ulong)(hash >> 64), (ulong)hash, (uint)text.Length, step, _documents, unit);
                _file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<UnitHash>(in row)));
                _rows++;
            }

            unit++;
        }

        _documents++;
    }

    /// <summary>Puts the file in its place. Without it nothing is left behind.</summary>
    public void Complete() => _file.Complete(_rows);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
