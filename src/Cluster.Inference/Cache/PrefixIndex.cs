// Which block holds which tokens. Enters: blocks that are full, with their ids. Leaves: the block that holds given ids after a given
// block. Does not know: sequences, who holds a block, eviction.

namespace Cluster.Inference.Cache;

/// <summary>
/// The contents of the named blocks of a pool: a tree, each block's parent being the block of the tokens before it. A lookup goes by
/// hash and is then checked against parent and ids, so two contents whose hashes collide never pass for each other: the second one
/// to come is not shared, no more.
/// </summary>
internal sealed class PrefixIndex
{
    /// <summary>The parent of a sequence's first block.</summary>
    public const int None = -1;

    private const int Unnamed = -2;
    private readonly PrefixHash _hash;
    private readonly Dictionary<UInt128, int> _blocks = [];
    private readonly UInt128[] _keys;
    private readonly int[] _parents, _prefilled, _tokens;
    private readonly int _blockTokens;

    /// <param name="blocks">Number of blocks.</param>
    /// <param name="blockTokens">Tokens of each.</param>
    /// <param name="hash">Usually <see cref="PrefixKey.Of"/>.</param>
    public PrefixIndex(int blocks, int blockTokens, PrefixHash hash)
    {
        (_hash, _blockTokens) = (hash, blockTokens);
        (_keys, _parents, _prefilled, _tokens) = (new UInt128[blocks], new int[blocks], new int[blocks], new int[checked(blocks * blockTokens)]);
        Array.Fill(_parents, Unnamed);
    }

    /// <summary>Whether the block has a name.</summary>
    public bool Contains(int block) => _parents[block] != Unnamed;

    /// <summary>The named block of the tokens before, or <see cref="None"/>.</summary>
    public int Parent(int block) => _parents[block];

    /// <summary>A named block's name.</summary>
    public UInt128 Key(int block) => _keys[block];

    /// <summary>The block that holds <paramref name="tokens"/> after <paramref name="parent"/>, or <see cref="None"/>.</summary>
    public int Find(int parent, int prefilled, ReadOnlySpan<int> tokens) =>
        _blocks.TryGetValue(KeyOf(parent, prefilled, tokens), out var block) && Holds(block, parent, prefilled, tokens) ? block : None;

    /// <summary>Names a block by its content, unless another one holds that already.</summary>
    /// <returns>The block that has the content's name now; <see cref="None"/> if another content has it, and the block stays unnamed.</returns>
    public int Name(int block, int parent, int prefilled, ReadOnlySpan<int> tokens)
    {
        var key = KeyOf(parent, prefilled, tokens);
        if (_blocks.TryGetValue(key, out var named))
            return Holds(named, parent, prefilled, tokens) ? named : None;
        _blocks.Add(key, block);
        (_keys[block], _parents[block], _prefilled[block]) = (key, parent, prefilled);
        tokens.CopyTo(_tokens.AsSpan(block * _blockTokens));
        return block;
    }

    /// <summary>Takes a block's name away.</summary>
    public void Forget(int block)
    {
        _blocks.Remove(_keys[block]);
        _parents[block] = Unnamed;
    }

    private UInt128 KeyOf(int parent, int prefilled, ReadOnlySpan<int> tokens) => _hash(parent == None ? PrefixKey.Root : _keys[parent], prefilled, tokens);

    /// <summary>A parent that is the same block holds the same tokens before, so by induction all tokens are compared.</summary>
    private bool Holds(int block, int parent, int prefilled, ReadOnlySpan<int> tokens) =>
        _parents[block] == parent && _prefilled[block] == prefilled && tokens.SequenceEqual(_tokens.AsSpan(block * _blockTokens, _blockTokens));
}

/// <summary>Names a block's content; see <see cref="PrefixKey.Of"/>.</summary>
internal delegate UInt128 PrefixHash(UInt128 parent, int prefilled, ReadOnlySpan<int> tokens);
