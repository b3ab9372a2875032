using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Data.Tokens;

/// <summary>From a pair of ids to a number that is not negative: an open table with linear probing, at most half full. Not for several writers.</summary>
internal sealed class PairTable
{
    // A key is the pair plus one, so that zero is an empty place.
    private (ulong Key, int Value)[] _places;
    private int _shift;
    private int _count;

    /// <param name="expected">How many pairs are to come, about.</param>
    public PairTable(int expected)
    {
        _places = new (ulong, int)[BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2L * expected))];
        _shift = 64 - BitOperations.Log2((uint)_places.Length);
    }

    /// <summary>The pair's number, or -1.</summary>
    public int Find(int left, int right)
    {
        var key = Key(left, right);
        var places = _places;
        for (var i = (int)(key * 0x9E3779B97F4A7C15UL >> _shift); ; i = (i + 1) & (places.Length - 1))
        {
            ref var place = ref places[i];
            if (place.Key == key)
                return place.Value;
            if (place.Key == 0)
                return -1;
        }
    }

    /// <summary>The pair's number; <paramref name="value"/> becomes it if it has none.</summary>
    public int FindOrAdd(int left, int right, int value)
    {
        var key = Key(left, right);
        for (var i = (int)(key * 0x9E3779B97F4A7C15UL >> _shift); ; i = (i + 1) & (_places.Length - 1))
        {
            ref var place = ref _places[i];
            if (place.Key == key)
                return place.Value;
            if (place.Key != 0)
                continue;
            place = (key, value);
            if (++_count * 2L > _places.Length)
                Grow();
            return value;
        }
    }

    /// <summary>Fetches the place of a pair that is about to be asked for: in a table beyond the cache the wait is most of the cost.</summary>
    public unsafe void Prefetch(int left, int right)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(Unsafe.AsPointer(ref _places[(int)(Key(left, right) * 0x9E3779B97F4A7C15UL >> _shift)]));
    }

    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private void Grow()
    {
        var old = _places;
        _places = new (ulong, int)[checked(old.Length * 2)];
        _shift--;
        foreach (var place in old)
        {
            if (place.Key == 0)
                continue;
            var i = (int)(place.Key * 0x9E3779B97F4A7C15UL >> _shift);
            while (_places[i].Key != 0)
                i = (i + 1) & (_places.Length - 1);
            _places[i] = place;
        }
    }
}
