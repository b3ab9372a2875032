// Enters: short pieces of text with their ids. Leaves: the ids, if known. Does not know: how ids are made.

using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Cluster.Data.Tokens;

/// <summary>
/// Remembers the ids of short pieces. Text repeats its words, so the pieces that come first are nearly all that comes; once full,
/// the cache stays as it is. What it answers never differs from encoding anew. Safe for any number of threads.
/// </summary>
internal sealed class PieceCache
{
    private const int MaximumPieces = 1 << 16;
    private const int MaximumChars = 32;

    private readonly ConcurrentDictionary<string, int[]> _ids = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private int _pieces;

    public PieceCache() => _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();

    public bool TryGet(ReadOnlySpan<char> piece, [NotNullWhen(true)] out int[]? ids)
    {
        ids = null;
        return piece.Length <= MaximumChars && _lookup.TryGetValue(piece, out ids);
    }

    public void Add(ReadOnlySpan<char> piece, ReadOnlySpan<int> ids)
    {
        if (piece.Length > MaximumChars || Volatile.Read(ref _pieces) >= MaximumPieces)
            return;
        if (_lookup.TryAdd(piece, ids.ToArray()))
            Interlocked.Increment(ref _pieces);
    }
}
