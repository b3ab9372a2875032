namespace Cluster.Collectives.Protocol;

/// <summary>
/// Terms order the coordinator's activations [11]. A term is a count with the activation's nonce in its low bits, so that two
/// activations that took the same count (the store lost one's write) still have different terms, and one of them the higher.
/// </summary>
public static class Term
{
    /// <summary>Bits of the nonce.</summary>
    public const int NonceBits = 24;

    /// <summary>The next term above a known one.</summary>
    /// <param name="known">The highest term seen, or 0.</param>
    /// <param name="nonce">A random number of the activation's own; its low <see cref="NonceBits"/> bits count.</param>
    public static long Next(long known, uint nonce) => (((known >> NonceBits) + 1) << NonceBits) | (nonce & ((1u << NonceBits) - 1));

    /// <summary>The count, for people: how many activations there have been.</summary>
    public static long Count(long term) => term >> NonceBits;
}
