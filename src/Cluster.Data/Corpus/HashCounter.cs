namespace Cluster.Data.Corpus;

/// <summary>
/// Counts 64-bit hashes: open addressing with linear probing, at most half full. Two different texts of equal hash would count as one: among
/// a million the odds are below 2^-24. Its room is kept between uses. Not thread-safe.
/// </summary>
internal sealed class HashCounter
{
    private ulong[] _keys = [];
    private int[] _counts = [];
    private int _mask;

    /// <summary>Forgets everything and makes room.</summary>
    /// <param name="capacity">Most distinct hashes to come.</param>
    public void Reset(int capacity)
    {
        var size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, checked(capacity * 2)));
        if (_keys.Length < size)
        {
            _keys = new ulong[size];
            _counts = new int[size];
        }
        else
        {
            _keys.AsSpan(0, size).Clear();
        }

        _mask = size - 1;
    }

    /// <summary>Counts one more of a hash.</summary>
    /// <returns>How many there are of it now.</returns>
    public int Add(ulong hash)
    {
        // 0 marks a free place.
        if (hash == 0)
            hash = 1;
        var keys = _keys;
        var at = (int)hash & _mask;
        while (true)
        {
            var key = keys[at];
            if (key == hash)
                return ++_counts[at];
            if (key == 0)
            {
                keys[at] = hash;
                _counts[at] = 1;
                return 1;
            }

            at = (at + 1) & _mask;
        }
    }
}
