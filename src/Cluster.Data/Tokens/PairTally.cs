// Enters: pairs as they are found in pieces, one thread's share of them. Leaves: how often each was seen, and lists of who holds it.
// Does not know: other shares, merges.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>What is known of the pair of one key: weight and entries while it is counted, then the place of the next entry of its list.</summary>
internal unsafe struct Tally
{
    /// <summary>No piece has this number.</summary>
    public const uint NoPiece = uint.MaxValue;

    /// <summary>Occurrences, each piece's as often as it stands in the text.</summary>
    public long Weight;

    /// <summary>Pieces that hold the pair; 0 if none was seen.</summary>
    public int Entries;

    /// <summary>The piece that was seen last, so that none is listed twice.</summary>
    public uint Last;

    /// <summary>Where the next piece is listed, or null for no list; lies where the weight was.</summary>
    public uint* Next
    {
        readonly get => (uint*)Weight;
        set => Weight = (long)value;
    }

    /// <summary>Ends the counting: a list begins at <paramref name="first"/>, if there is to be one.</summary>
    public void LayOut(uint* first)
    {
        Next = first;
        Last = NoPiece;
    }
}

/// <summary>
/// Counts pairs under small keys, which number them for the time of one merge: an array that is looked up by key costs a fraction of the
/// table of all pairs, which is then asked once for each key and not for each occurrence. For one thread at a time.
/// </summary>
internal sealed unsafe class PairTally : IDisposable
{
    private readonly ScratchMemory _memory;
    private readonly Tally* _tallies;
    private readonly int* _keys;
    private int _keyCount;

    // Keys with the piece that holds them, in the order of pieces.
    private Entry* _found;
    private long _foundCount;
    private long _foundRoom;

    /// <param name="keys">Keys are below it. Costs memory only for those that are used.</param>
    /// <param name="memory">Takes what is found in one merge.</param>
    public PairTally(int keys, ScratchMemory memory)
    {
        _memory = memory;
        _tallies = (Tally*)NativeMemory.AllocZeroed((nuint)keys, (nuint)sizeof(Tally));
        _keys = (int*)NativeMemory.Alloc((nuint)keys, sizeof(int));
    }

    /// <summary>Keys that were seen since <see cref="Clear"/>.</summary>
    public ReadOnlySpan<int> Keys => new(_keys, _keyCount);

    public ref Tally this[int key] => ref _tallies[key];

    /// <summary>Counts an occurrence. True if it is the piece's first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Count(int key, long weight, uint piece)
    {
        var tally = _tallies + key;
        tally->Weight += weight;
        if (tally->Entries == 0)
            _keys[_keyCount++] = key;
        else if (tally->Last == piece)
            return false;
        tally->Entries++;
        tally->Last = piece;
        return true;
    }

    /// <summary>Counts an occurrence and remembers its piece for <see cref="ListFound"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Note(int key, long weight, uint piece)
    {
        if (!Count(key, weight, piece))
            return;
        if (_foundCount == _foundRoom)
            Grow();
        _found[_foundCount++] = new Entry { Key = key, Piece = piece };
    }

    /// <summary>Lists a piece where <see cref="Tally.Next"/> says, unless it was the last to be listed there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void List(int key, uint piece)
    {
        var tally = _tallies + key;
        if (tally->Next == null || tally->Last == piece)
            return;
        tally->Last = piece;
        *tally->Next++ = piece;
    }

    /// <summary>Lists all that was noted.</summary>
    public void ListFound()
    {
        for (long i = 0; i < _foundCount; i++)
            List(_found[i].Key, _found[i].Piece);
    }

    /// <summary>Adds what another share counted.</summary>
    public void Add(int key, in Tally other)
    {
        ref var tally = ref _tallies[key];
        if (tally.Entries == 0)
            _keys[_keyCount++] = key;
        tally.Weight += other.Weight;
        tally.Entries += other.Entries;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (var key in Keys)
            _tallies[key] = default;
        (_foundCount, _keyCount) = (0, 0);
    }

    public void Dispose()
    {
        NativeMemory.Free(_tallies);
        NativeMemory.Free(_keys);
    }

    private void Grow()
    {
        var room = Math.Max(1 << 12, 2 * _foundRoom);
        Entry* grown;
        lock (_memory)
            grown = _memory.Allocate<Entry>(room);
        NativeMemory.Copy(_found, grown, checked((nuint)(_foundCount * sizeof(Entry))));
        _found = grown;
        _foundRoom = room;
    }

    private struct Entry
    {
        public int Key;
        public uint Piece;
    }
}
