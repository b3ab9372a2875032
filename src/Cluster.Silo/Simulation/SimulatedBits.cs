using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;

namespace Cluster.Silo.Simulation;

/// <summary>What simulated replicas have in place of bits: functions of (seed, step), the same for all of them.</summary>
internal static class SimulatedBits
{
    /// <summary>The hash of a step's gradient, in the form of a real one.</summary>
    public static string Gradient(ulong seed, long step) => Convert.ToHexStringLower(SHA256.HashData(Words(seed, 1, step, 0)));

    /// <summary>The hash of the state after so many steps; "" for no state.</summary>
    public static string State(ulong seed, long steps) =>
        steps < 0 ? "" : XxHash3.HashToUInt64(Words(seed, 2, steps, 0)).ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>A lane's loss, from 1 to 2.</summary>
    public static double Loss(ulong seed, long step, int lane) => 1 + (XxHash3.HashToUInt64(Words(seed, 3, step, lane)) >> 11) * (1.0 / (1UL << 53));

    private static byte[] Words(ulong seed, long what, long step, long lane)
    {
        var words = new byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(words, seed);
        BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(8), what);
        BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(16), step);
        BinaryPrimitives.WriteInt64LittleEndian(words.AsSpan(24), lane);
        return words;
    }
}
