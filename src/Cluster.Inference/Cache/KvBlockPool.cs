// Bookkeeping of the paged cache (Kwon et al., "Efficient memory management for large language model serving with PagedAttention",
// 2023): who holds which block, and which blocks remember a prefix that may be asked for again. Knows no storage: a backend keeps
// keys and values under the blocks' numbers. Sharing needs nothing of its kernels: only full blocks are shared, and nothing is ever
// written into a full block.

namespace Cluster.Inference.Cache;

/// <summary>
/// A fixed number of blocks, each with room for the keys and values of some tokens in all layers. A block is unused, or held by one or
/// more sequences, or cached: held by none, but full and named by its content (<see cref="PrefixKey"/>), so that a sequence that begins
/// with the same tokens may hold it again. Where no block is unused, the cached one that was held last the longest ago is forgotten.
/// A sequence gives its blocks back from the last to the first, so a chain's leaves go before their parents. One thread at a time.
/// </summary>
public sealed class KvBlockPool
{
    private readonly Stack<int> _unused;
    private readonly int[] _holders;
    private readonly PrefixIndex _index;

    // Cached blocks in a ring from the oldest to the newest; the place after the last block is its head.
    private readonly int[] _newer, _older;

    /// <param name="blocks">Number of blocks, at least 1.</param>
    /// <param name="blockTokens">Tokens that fit in one, at least 1.</param>
    public KvBlockPool(int blocks, int blockTokens)
        : this(blocks, blockTokens, PrefixKey.Of)
    {
    }

    /// <summary>With another hash: what tests need to see collisions.</summary>
    internal KvBlockPool(int blocks, int blockTokens, PrefixHash hash)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(blockTokens, 1);
        (Count, BlockTokens) = (blocks, blockTokens);
        _index = new PrefixIndex(blocks, blockTokens, hash);
        _holders = new int[blocks];
        (_newer, _older) = (new int[blocks + 1], new int[blocks + 1]);
        (_newer[blocks], _older[blocks]) = (blocks, blocks);
        _unused = new Stack<int>(blocks);
        for (var block = blocks - 1; block >= 0; block--)
            _unused.Push(block);
    }

    /// <summary>Number of blocks; they are numbered from 0.</summary>
    public int Count { get; }

    /// <summary>Tokens that fit in one block.</summary>
    public int BlockTokens { get; }

    /// <summary>Blocks that no sequence holds, unused and cached ones: so many can be taken.</summary>
    public int Free => _unused.Count + Cached;

    /// <summary>Blocks that a sequence holds.</summary>
    public int Held => Count - Free;

    /// <summary>Blocks that no sequence holds and whose content can still be found.</summary>
    public int Cached { get; private set; }

    /// <summary>Cached blocks that were forgotten so far to make room.</summary>
    public long Evicted { get; private set; }

    /// <summary>Blocks that a sequence of so many tokens holds.</summary>
    public int BlocksFor(int tokens) => (int)(((long)tokens + BlockTokens - 1) / BlockTokens);

    /// <summary>Finds the blocks, held or cached, of the longest beginning of a sequence. Changes nothing.</summary>
    /// <param name="ids">The sequence; only its full blocks are looked for.</param>
    /// <param name="prefilled">How many tokens at its beginning would be computed by prefill: a block that was computed otherwise does not count.</param>
    /// <param name="blocks">Receives the blocks, for <see cref="DecodeSequence.Adopt"/>; room for ids / <see cref="BlockTokens"/>.</param>
    /// <returns>Their number.</returns>
    public int FindPrefix(ReadOnlySpan<int> ids, int prefilled, Span<int> blocks)
    {
        int found = 0, parent = PrefixIndex.None;
        for (; (found + 1) * BlockTokens <= ids.Length; found++)
        {
            parent = _index.Find(parent, Prefilled(prefilled, found), ids.Slice(found * BlockTokens, BlockTokens));
            if (parent == PrefixIndex.None)
                break;
            blocks[found] = parent;
        }

        return found;
    }

    /// <summary>Sequences that hold the block.</summary>
    internal int Holders(int block) => _holders[block];

    /// <summary>Whether the block's content can be found.</summary>
    internal bool IsNamed(int block) => _index.Contains(block);

    /// <summary>The name of a named block's content.</summary>
    internal UInt128 KeyOf(int block) => _index.Key(block);

    /// <summary>The named block before a named one; negative if it is a sequence's first.</summary>
    internal int ParentOf(int block) => _index.Parent(block);

    /// <summary>Takes the unused block that was returned last (its memory is the likeliest to be in a cache), or forgets a cached one.</summary>
    internal int Take()
    {
        var block = _unused.Count > 0 ? _unused.Pop() : Cached > 0 ? Evict() : throw new KvCacheFullException(1, 0);
        _holders[block] = 1;
        return block;
    }

    /// <summary>One more sequence holds a named block.</summary>
    internal void Share(int block)
    {
        if (!_index.Contains(block))
            throw new ArgumentException($"block {block} has no content to share", nameof(block));
        if (_holders[block]++ == 0)
            Unlink(block);
    }

    /// <summary>One sequence fewer holds a block.</summary>
    internal void Return(int block)
    {
        if (_holders[block] == 0)
            throw new InvalidOperationException($"block {block} was given back more often than it was taken");
        if (--_holders[block] > 0)
            return;
        if (_index.Contains(block))
            Link(block);
        else
            _unused.Push(block);
    }

    /// <summary>Names a full block, the <paramref name="place"/>-th of its sequence, so that others can find it; see <see cref="PrefixIndex.Name"/>.</summary>
    internal int Name(int block, int place, int parent, int prefilled, ReadOnlySpan<int> tokens) =>
        _index.Name(block, parent, Prefilled(prefilled, place), tokens);

    /// <summary>How many tokens of the block at a place prefill computes, if it computes so many of the sequence.</summary>
    private int Prefilled(int tokens, int place) => (int)Math.Clamp(tokens - (long)place * BlockTokens, 0, BlockTokens);

    private int Evict()
    {
        var block = _newer[Count];
        Unlink(block);
        _index.Forget(block);
        Evicted++;
        return block;
    }

    private void Link(int block)
    {
        var last = _older[Count];
        (_newer[last], _older[block], _newer[block], _older[Count]) = (block, last, Count, block);
        Cached++;
    }

    private void Unlink(int block)
    {
        _newer[_older[block]] = _newer[block];
        _older[_newer[block]] = _older[block];
        Cached--;
    }
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
