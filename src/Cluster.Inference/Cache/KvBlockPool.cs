// Bookkeeping of the paged cache (Kwon et al., "Efficient memory management for large language model serving with PagedAttention",
// 2023): which blocks are free. Knows no storage: a backend keeps keys and values under the blocks' numbers.

namespace Cluster.Inference.Cache;

/// <summary>A fixed number of blocks, each with room for the keys and values of some tokens in all layers. One thread at a time.</summary>
public sealed class KvBlockPool
{
    private readonly Stack<int> _free;

    /// <param name="blocks">Number of blocks, at least 1.</param>
    /// <param name="blockTokens">Tokens that fit in one, at least 1.</param>
    public KvBlockPool(int blocks, int blockTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockTokens, 1);
        (Count, BlockTokens) = (blocks, blockTokens);
        _free = new Stack<int>(blocks);
        for (var block = blocks - 1; block >= 0; block--)
            _free.Push(block);
    }

    /// <summary>Number of blocks; they are numbered from 0.</summary>
    public int Count { get; }

    /// <summary>Tokens that fit in one block.</summary>
    public int BlockTokens { get; }

    /// <summary>Blocks that no sequence holds.</summary>
    public int Free => _free.Count;

    /// <summary>Blocks that a sequence of so many tokens holds.</summary>
    public int BlocksFor(int tokens) => (int)(((long)tokens + BlockTokens - 1) / BlockTokens);

    /// <summary>Takes the free block that was returned last (its memory is the likeliest to be in a cache).</summary>
    internal int Take() => _free.Pop();

    internal void Return(int block) => _free.Push(block);
}

/// <summary>A sequence needs more blocks than are free: end or preempt another one first.</summary>
public sealed class KvCacheFullException(int needed, int free)
    : Exception($"{needed} more blocks of the key-value cache are needed and {free} are free")
{
    /// <summary>Blocks that were missing from the sequence.</summary>
    public int Needed => needed;

    /// <summary>Blocks that were free.</summary>
    public int Free => free;

}
