using System.Numerics;

namespace Cluster.Data.Corpus.Decontamination;

/// <summary>
/// The different n-grams of some texts, numbered in order of first occurrence, to be looked up by hash. Nearly every n-gram of a large
/// corpus is absent: a bit table of 16 bits for each n-gram says so first. Immutable; for any number of threads.
/// </summary>
internal sealed class NgramIndex
{
    private readonly Dictionary<ulong, int> _places = [];
    private readonly ulong[] _filter;
    private readonly int _shift;

    /// <param name="texts">Hashes of each text's n-grams.</param>
    public NgramIndex(IEnumerable<IEnumerable<ulong>> texts)
    {
        foreach (var text in texts)
            foreach (var hash in text)
                _places.TryAdd(hash, _places.Count);
        var bits = (ulong)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(16L * _places.Count, 64, 1 << 30));
        _filter = new ulong[bits / 64];
        _shift = 64 - BitOperations.Log2(bits);
        foreach (var hash in _places.Keys)
            _filter[hash >> _shift >> 6] |= 1UL << (int)(hash >> _shift & 63);
    }

    /// <summary>Number of different n-grams.</summary>
    public int Count => _places.Count;

    /// <summary>The number of an n-gram, or -1 if no text has it.</summary>
    public int PlaceOf(ulong hash)
    {
        var bit = hash >> _shift;
        return (_filter[bit >> 6] >> (int)(bit & 63) & 1) != 0 && _places.TryGetValue(hash, out var place) ? place : -1;
    }
}
