// Enters: short pieces of text with their ids. Leaves: the ids, if known. Does not know: how ids are made.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cluster.Data.Tokens;

/// <summary>
/// Remembers the ids of short pieces: text repeats its words. A piece has two places, and the newer one pushes the older out, so memory
/// is bounded and the cache follows the text. Entries never change, hence any number of threads may use it without a lock: whatever it
/// answers equals encoding anew.
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Longer pieces are not kept.</summary>
    public const int MaximumChars = 32;

    // Up to 131,072 entries of about 80 bytes.
    private const int Places = 1 << 17;

    private readonly Entry?[] _entries = new Entry?[Places];

    /// <summary>The ids of one piece. The first four are in the object itself: most pieces have fewer, and need no second look at memory.</summary>
    internal sealed class Entry(PieceKey key, string? text, ReadOnlySpan<int> ids)
    {
        private readonly Four _first = new(ids);
        private readonly int[]? _all = ids.Length > 4 ? ids.ToArray() : null;

        public PieceKey Key { get; } = key;

        /// <summary>The piece, if it has no key.</summary>
        public string? Text { get; } = text;

        public int Count { get; } = ids.Length;

        /// <summary>Writes the ids.</summary>
        /// <param name="destination">At least <see cref="Count"/> long, and four at least.</param>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void CopyTo(Span<int> destination)
        {
            if (_all is null)
                MemoryMarshal.Write(MemoryMarshal.AsBytes(destination), _first);
            else
                _all.CopyTo(destination);
        }

        private readonly struct Four(ReadOnlySpan<int> ids)
        {
            private readonly int _a = ids.Length > 0 ? ids[0] : 0;
            private readonly int _b = ids.Length > 1 ? ids[1] : 0;
            private readonly int _c = ids.Length > 2 ? ids[2] : 0;
            private readonly int _d = ids.Length > 3 ? ids[3] : 0;
        }
    }

    /// <summary>What is known of a piece with a key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Entry? Find(PieceKey key)
    {
        var place = (int)(key.Hash >> 32) & (Places - 1);
        if (_entries[place] is { } entry && entry.Key == key)
            return entry;
        return _entries[place ^ 1] is { } other && other.Key == key ? other : null;
    }

    /// <summary>What is known of a piece without one.</summary>
    public Entry? Find(ReadOnlySpan<char> piece)
    {
        var place = (int)(Hash(piece) >> 32) & (Places - 1);
        if (_entries[place] is { Text: { } text } entry && piece.SequenceEqual(text))
            return entry;
        return _entries[place ^ 1] is { Text: { } second } other && piece.SequenceEqual(second) ? other : null;
    }

    /// <summary>Remembers a piece.</summary>
    /// <param name="key">Its key, or an empty one.</param>
    /// <param name="piece">The piece, not longer than <see cref="MaximumChars"/>.</param>
    /// <param name="ids">Its ids.</param>
    public void Add(PieceKey key, ReadOnlySpan<char> piece, ReadOnlySpan<int> ids)
    {
        var place = (int)((key.IsEmpty ? Hash(piece) : key.Hash) >> 32) & (Places - 1);
        // A reader that sees the reference sees the whole entry: storing a reference releases what was written before.
        _entries[place ^ 1] = _entries[place];
        Volatile.Write(ref _entries[place], new Entry(key, key.IsEmpty ? piece.ToString() : null, ids));
    }

    private static ulong Hash(ReadOnlySpan<char> piece)
    {
        var bytes = MemoryMarshal.AsBytes(piece);
        var hash = (ulong)piece.Length;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            hash = Fold(hash ^ MemoryMarshal.Read<ulong>(bytes));
        var tail = 0UL;
        foreach (var b in bytes)
            tail = (tail << 8) | b;
        return Fold(hash ^ tail);

        static ulong Fold(ulong x)
        {
            var high = Math.BigMul(x ^ 0x9E3779B97F4A7C15UL, 0xE7037ED1A0B428DBUL, out var low);
            return high ^ low;
        }
    }
}
