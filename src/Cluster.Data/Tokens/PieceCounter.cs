// Enters: the documents of one partition. Leaves: a file of how often each piece occurs. Does not know: other partitions, merges.

using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>
/// Counts the pieces of any amount of text within a budget of memory: whenever the table outgrows it, its counts go to disk as a sorted
/// run, and the runs are added up at the end. The file is a function of the multiset of pieces. Not for several threads; each partition
/// has a counter of its own.
/// </summary>
public sealed class PieceCounter : IDisposable
{
    /// <summary>The least budget: below it the table would go to disk all the time.</summary>
    public const long SmallestMemory = 1 << 20;

    private readonly long _memoryBytes;
    private readonly Scratch _scratch;
    private readonly List<string> _runs = [];

    /// <param name="memoryBytes">Bytes for the table, 1 MiB or more.</param>
    /// <param name="scratchFolder">Where runs go; null for the system's temporary folder.</param>
    /// <exception cref="UserErrorException">The budget is too small, or the folder can't be written.</exception>
    public PieceCounter(long memoryBytes = 256L << 20, string? scratchFolder = null)
    {
        if (memoryBytes < SmallestMemory)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"memory_bytes is {memoryBytes}."), FormattableString.Invariant($"Give {SmallestMemory} or more."));
        }

        _memoryBytes = memoryBytes;
        _scratch = new Scratch(scratchFolder);
    }

    /// <summary>Runs that have gone to disk.</summary>
    public int Spills => _runs.Count;

    /// <summary>What is counted and not yet on disk.</summary>
    internal PieceTable Table { get; } = new();

    internal IReadOnlyList<string> Runs => _runs;

    /// <summary>Counts the pieces of one document, or of a part that ends where a piece does.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        // A document of any length is counted in stretches, so that the budget is looked at often enough.
        const int stretch = 1 << 16;
        for (var rest = text; !rest.IsEmpty;)
        {
            rest = rest[Table.Add(rest, stretch)..];
            if (Table.Bytes > _memoryBytes)
                Spill();
        }
    }

    /// <summary>Writes what was counted to <paramref name="path"/>, whole or not at all.</summary>
    /// <exception cref="UserErrorException">The file can't be written.</exception>
    public void Save(string path, CancellationToken cancellation = default)
    {
        if (_runs.Count == 0)
        {
            Write(path);
            return;
        }

        Spill();
        PieceCountFile.Merge(_runs, path, _scratch.Path, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => _scratch.Dispose();

    /// <summary>Sends what is in memory to disk.</summary>
    internal void Spill()
    {
        var path = Path.Combine(_scratch.Path, Path.GetRandomFileName());
        Write(path);
        _runs.Add(path);
    }

    private void Write(string path)
    {
        using var writer = new PieceCountFile.Writer(path);
        Table.Drain(writer.Add);
        writer.Complete();
    }
}
