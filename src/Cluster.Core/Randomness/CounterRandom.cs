using System.Runtime.CompilerServices;

namespace Cluster.Core.Randomness;

/// <summary>
/// Counter-based random numbers over <see cref="Philox4x32"/>. The value at a position is a pure function of (seed, purpose,
/// stream, position), so any process can draw any part of a stream in any order and get the same numbers.
/// </summary>
public readonly struct CounterRandom
{
    private readonly uint _key0, _key1, _stream0, _stream1;

    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What the numbers are for.</param>
    /// <param name="stream">Which stream of that purpose (a parameter's index, a step, a request).</param>
    public CounterRandom(ulong seed, RandomPurpose purpose, ulong stream)
    {
        // The purpose enters through a mix of the seed, so that (seed, purpose) pairs do not collide for nearby seeds.
        var key = Mix(seed + 0x9E3779B97F4A7C15UL * (ulong)purpose);
        _key0 = (uint)key;
        _key1 = (uint)(key >> 32);
        _stream0 = (uint)stream;
        _stream1 = (uint)(stream >> 32);
    }

    /// <summary>The four 32-bit words of block <paramref name="block"/>.</summary>
    public (uint A, uint B, uint C, uint D) Block(ulong block) =>
        Philox4x32.Block(((uint)block, (uint)(block >> 32), _stream0, _stream1), (_key0, _key1));

    /// <summary>The 32-bit word at <paramref name="position"/>.</summary>
    public uint UInt32(ulong position)
    {
        var (a, b, c, d) = Block(position >> 2);
        return (position & 3) switch { 0 => a, 1 => b, 2 => c, _ => d };
    }

    /// <summary>The 64-bit word at <paramref name="position"/>.</summary>
    public ulong UInt64(ulong position)
    {
        var (a, b, c, d) = Block(position >> 1);
        return (position & 1) == 0 ? a | ((ulong)b << 32) : c | ((ulong)d << 32);
    }

    /// <summary>A double in [0, 1) with 53 random bits.</summary>
    public double Double(ulong position) => (UInt64(position) >> 11) * (1.0 / (1UL << 53));

    /// <summary>An integer in [0, <paramref name="bound"/>), by the multiply-high method; bias below 2^-64 × bound.</summary>
    public ulong Below(ulong position, ulong bound) => Math.BigMul(UInt64(position), bound, out _);

    /// <summary>Standard normal numbers by Box and Muller's transform in double, from position <paramref name="start"/> of the stream on.</summary>
    public void Normal(Span<float> destination, double standardDeviation, ulong start = 0)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            var position = start + (ulong)i;
            var (a, b, c, d) = Block(position >> 1);
            var u = (((a | ((ulong)b << 32)) >> 11) + 1) * (1.0 / (1UL << 53));
            var v = ((c | ((ulong)d << 32)) >> 11) * (1.0 / (1UL << 53));
            var radius = Math.Sqrt(-2 * Math.Log(u)) * standardDeviation;
            destination[i] = (float)((position & 1) == 0 ? radius * Math.Cos(2 * Math.PI * v) : radius * Math.Sin(2 * Math.PI * v));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong x)
    {
        // The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }
}
