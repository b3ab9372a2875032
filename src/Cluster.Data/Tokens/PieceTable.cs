// Enters: text. Leaves: how often each piece occurs. Does not know: files, merges.

using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Cluster.Data.Tokens;

/// <summary>
/// Counts of pieces in memory. Short ASCII pieces lie in one open table of 24 bytes a place, others in a dictionary. Not for several
/// threads.
/// </summary>
internal sealed class PieceTable
{
    // Object headers, dictionary entry and, while sorting, the UTF-8 bytes of a piece that has no key.
    private const int BytesPerText = 160;
    private const int Smallest = 1 << 10;

    private readonly Dictionary<string, long> _texts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private (PieceKey Key, long Count)[] _places = new (PieceKey, long)[Smallest];
    private int _shift = 64 - 10;
    private int _keys;
    private long _textBytes;

    public PieceTable() => _lookup = _texts.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Different pieces.</summary>
    public int Count => _keys + _texts.Count;

    /// <summary>Bytes in use when the table next grows, the old one and the new; about.</summary>
    public long Bytes => _places.Length * 24L * 3 + _textBytes;

    /// <summary>Counts the first pieces of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="least">Goes on until so many characters, or all, are counted.</param>
    /// <returns>Characters counted.</returns>
    public int Add(ReadOnlySpan<char> text, int least)
    {
        var all = text.Length;
        while (!text.IsEmpty && all - text.Length < least)
        {
            var length = PreTokenizer.FirstPiece(text, out var key);
            if (!key.IsEmpty)
            {
                Add(key, 1);
            }
            else
            {
                ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_lookup, text[..length], out var known);
                count++;
                if (!known)
                    _textBytes += BytesPerText + 5L * length;
            }

            text = text[length..];
        }

        return all - text.Length;
    }

    /// <summary>Adds all of <paramref name="other"/>'s counts.</summary>
    public void Add(PieceTable other)
    {
        foreach (var (key, count) in other._places)
            if (!key.IsEmpty)
                Add(key, count);
        foreach (var (text, count) in other._texts)
        {
            ref var own = ref CollectionsMarshal.GetValueRefOrAddDefault(_texts, text, out var known);
            own += count;
            if (!known)
                _textBytes += BytesPerText + 5L * text.Length;
        }
    }

    /// <summary>Calls <paramref name="take"/> for each piece in no particular order. The bytes are valid during the call.</summary>
    public void ForEach(Action<ReadOnlySpan<byte>, long> take)
    {
        Span<byte> bytes = stackalloc byte[16];
        foreach (var (key, count) in _places)
            if (!key.IsEmpty)
                take(bytes[..key.CopyTo(bytes)], count);
        foreach (var (text, count) in _texts)
            take(Encoding.UTF8.GetBytes(text), count);
    }

    /// <summary>
    /// Calls <paramref name="take"/> for each piece, ascending by bytes, and forgets them all. Texts that differ in lone surrogates only have
    /// the same bytes and come one after the other.
    /// </summary>
    public void Drain(Action<ReadOnlySpan<byte>, long> take)
    {
        var keys = 0;
        foreach (var place in _places)
            if (!place.Key.IsEmpty)
                _places[keys++] = place;
        _places.AsSpan(0, keys).Sort(static (a, b) => Compare(a.Key, b.Key));
        var texts = new (byte[] Bytes, long Count)[_texts.Count];
        var filled = 0;
        foreach (var (text, count) in _texts)
            texts[filled++] = (Encoding.UTF8.GetBytes(text), count);
        _texts.Clear();
        texts.AsSpan().Sort(static (a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes));

        Span<byte> bytes = stackalloc byte[16];
        var next = 0;
        for (var i = 0; i < keys; i++)
        {
            var piece = bytes[.._places[i].Key.CopyTo(bytes)];
            for (; next < texts.Length && texts[next].Bytes.AsSpan().SequenceCompareTo(piece) < 0; next++)
                take(texts[next].Bytes, texts[next].Count);
            take(piece, _places[i].Count);
        }

        for (; next < texts.Length; next++)
            take(texts[next].Bytes, texts[next].Count);
        (_places, _shift, _keys, _textBytes) = (new (PieceKey, long)[Smallest], 64 - 10, 0, 0);
        _texts.TrimExcess();
    }

    /// <summary>By bytes, a piece before those that it begins: zeros fill the key, and the length decides what they leave open.</summary>
    private static int Compare(PieceKey a, PieceKey b) => a.Low != b.Low
        ? BinaryReverse(a.Low).CompareTo(BinaryReverse(b.Low))
        : BinaryReverse(a.High).CompareTo(BinaryReverse(b.High));

    private static ulong BinaryReverse(ulong x) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(x);

    private void Add(PieceKey key, long count)
    {
        for (var i = (int)(key.Hash >> _shift); ; i = (i + 1) & (_places.Length - 1))
        {
            ref var place = ref _places[i];
            if (place.Key == key)
            {
                place.Count += count;
                return;
            }

            if (!place.Key.IsEmpty)
                continue;
            place = (key, count);
            if (++_keys * 2L > _places.Length)
                Grow();
            return;
        }
    }

    private void Grow()
    {
        var old = _places;
        _places = new (PieceKey, long)[checked(old.Length * 2)];
        _shift = 64 - BitOperations.Log2((uint)_places.Length);
        foreach (var place in old)
        {
            if (place.Key.IsEmpty)
                continue;
            var i = (int)(place.Key.Hash >> _shift);
            while (!_places[i].Key.IsEmpty)
                i = (i + 1) & (_places.Length - 1);
            _places[i] = place;
        }
    }
}
