using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Cluster.Inference.Cache;

/// <summary>
/// Names the content of a full block: XxHash128 (Collet, 2020) over the name of the block before it, over how many of its tokens
/// prefill computed, and over its token ids. So a name stands for all tokens from the sequence's first one on, and equal names in
/// equal places mean equal keys and values — but for collisions, which is why <see cref="PrefixIndex"/> compares the ids too.
/// </summary>
public static class PrefixKey
{
    /// <summary>The parent of a sequence's first block.</summary>
    public static UInt128 Root => UInt128.Zero;

    /// <summary>The name of one block.</summary>
    /// <param name="parent">The name of the block before it, or <see cref="Root"/>.</param>
    /// <param name="prefilled">How many of its tokens prefill computed; the others were computed by decode.</param>
    /// <param name="tokens">All its ids.</param>
    public static UInt128 Of(UInt128 parent, int prefilled, ReadOnlySpan<int> tokens)
    {
        const int head = 5;
        Span<int> content = tokens.Length <= 251 ? stackalloc int[head + tokens.Length] : new int[head + tokens.Length];
        MemoryMarshal.Write(MemoryMarshal.AsBytes(content), in parent);
        content[head - 1] = prefilled;
        tokens.CopyTo(content[head..]);
        return XxHash128.HashToUInt128(MemoryMarshal.AsBytes(content));
    }
}
