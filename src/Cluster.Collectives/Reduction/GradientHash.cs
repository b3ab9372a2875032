using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// Names the bits of a reduced gradient in READY and COMMIT. XxHash128 (Collet, 2020), not a cryptographic hash: it guards against
/// faults of machines, which do not search for collisions, and runs at memory speed.
/// </summary>
public static class GradientHash
{
    /// <summary>32 lower-case hex digits.</summary>
    public static string Of(ReadOnlySpan<float> gradient)
    {
        var hash = new XxHash128();
        // Spans of bytes end at 2 GB; gradients do not.
        const int part = 1 << 24;
        for (var start = 0; start < gradient.Length; start += part)
            hash.Append(MemoryMarshal.AsBytes(gradient.Slice(start, Math.Min(part, gradient.Length - start))));
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
