namespace Cluster.Core.Randomness;

/// <summary>
/// A keyed bijection of [0, count): a balanced Feistel network of six rounds over the smallest even power of two that holds count,
/// walked until the value falls inside (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). A shuffle without
/// an array: the i-th element of the order is computed where it is needed.
/// </summary>
public sealed class KeyedPermutation
{
    private const int Rounds = 6;
    private readonly CounterRandom _random;
    private readonly int _halfBits;
    private readonly ulong _halfMask;

    /// <param name="random">The key.</param>
    /// <param name="count">Number of elements, at least 1.</param>
    public KeyedPermutation(CounterRandom random, long count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _random = random;
        var bits = 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(count - 1));
        _halfBits = Math.Max(1, (bits + 1) / 2);
        _halfMask = (1UL << _halfBits) - 1;
    }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>The element at place <paramref name="index"/> of the order; both in [0, Count).</summary>
    public long this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            var x = (ulong)index;
            do
            {
                ulong left = x >> _halfBits, right = x & _halfMask;
                for (ulong round = 0; round < Rounds; round++)
                    (left, right) = (right, left ^ (_random.UInt64((round << 33) | right) & _halfMask));
                x = (left << _halfBits) | right;
            }
            while (x >= (ulong)Count);
            return (long)x;
        }
    }
}
