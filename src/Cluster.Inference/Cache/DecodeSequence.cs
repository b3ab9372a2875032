namespace Cluster.Inference.Cache;

/// <summary>
/// One sequence's place in the paged cache: how many tokens its backend has seen and the blocks that hold their keys and values,
/// token t in block t / <see cref="KvBlockPool.BlockTokens"/>. Pure bookkeeping; the owning backend reads and writes the storage, and
/// asks for <see cref="Blocks"/> anew at each call: a full block may have been replaced by one of equal content.
/// </summary>
public sealed class DecodeSequence : IDisposable
{
    private readonly KvBlockPool _pool;
    private readonly int[] _blocks;
    private int _held, _named;
    private bool _nameless;
    private bool _disposed;

    /// <param name="pool">The backend's blocks.</param>
    /// <param name="maxTokens">Longest the sequence may become: the model's context.</param>
    public DecodeSequence(KvBlockPool pool, int maxTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        (_pool, MaxTokens) = (pool, maxTokens);
        _blocks = new int[pool.BlocksFor(maxTokens)];
    }

    /// <summary>Longest the sequence may become.</summary>
    public int MaxTokens { get; }

    /// <summary>Tokens whose keys and values are in the cache: the position of the next one.</summary>
    public int Length { get; private set; }

    /// <summary>The blocks held, in the order of the tokens.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, _held);

    /// <summary>The pool that the blocks come from; tells a backend its own sequences.</summary>
    public KvBlockPool Pool => _pool;

    /// <summary>Blocks that would have to be taken before <paramref name="tokens"/> more tokens fit.</summary>
    public int Missing(int tokens) => Math.Max(0, _pool.BlocksFor(Length + tokens) - _held);

    /// <summary>Takes blocks until <paramref name="tokens"/> more tokens fit; all of them or none.</summary>
    /// <exception cref="ArgumentException">The sequence would exceed <see cref="MaxTokens"/>.</exception>
    /// <exception cref="KvCacheFullException">Too few blocks are free.</exception>
    public void Reserve(int tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (tokens > MaxTokens - Length)
            throw new ArgumentException($"{Length} + {tokens} tokens exceed the context of {MaxTokens}", nameof(tokens));
        var missing = Missing(tokens);
        if (missing > _pool.Free)
            throw new KvCacheFullException(missing, _pool.Free);
        for (; missing > 0; missing--)
            _blocks[_held++] = _pool.Take();
    }

    /// <summary>To be called by the backend when the keys and values of <paramref name="tokens"/> more tokens are written.</summary>
    public void Advance(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_pool.BlocksFor(Length + tokens), _held);
        Length += tokens;
    }

    /// <summary>Begins an empty sequence with blocks that hold its first tokens already.</summary>
    /// <param name="blocks">As <see cref="KvBlockPool.FindPrefix"/> gave them, from the first on; any number of them.</param>
    public void Adopt(ReadOnlySpan<int> blocks)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_held > 0)
            throw new InvalidOperationException("the sequence holds blocks already");
        if (blocks.Length * (long)_pool.BlockTokens > MaxTokens)
            throw new ArgumentException($"{blocks.Length} blocks exceed the context of {MaxTokens}", nameof(blocks));
        foreach (var block in blocks)
        {
            _pool.Share(block);
            _blocks[_held++] = block;
        }

        (_named, Length) = (_held, _held * _pool.BlockTokens);
    }

    /// <summary>
    /// Lets other sequences find the blocks that are full. Where one of equal content is known already, it takes the place of this
    /// sequence's own, which is given back: so sequences that computed the same prefix at the same time come to share it.
    /// </summary>
    /// <param name="ids">The tokens that the backend has seen, at least all of the full blocks.</param>
    /// <param name="prefilled">How many of them, from the first on, prefill computed; the others were computed by decode.</param>
    public void Publish(ReadOnlySpan<int> ids, int prefilled)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (; !_nameless && (_named + 1) * _pool.BlockTokens <= Length; _named++)
        {
            var own = _blocks[_named];
            var tokens = ids.Slice(_named * _pool.BlockTokens, _pool.BlockTokens);
            var named = _pool.Name(own, _named, _named == 0 ? PrefixIndex.None : _blocks[_named - 1], prefilled, tokens);
            // A name that another content has: this block and those that follow stay this sequence's own.
            _nameless = named == PrefixIndex.None;
            if (_nameless)
                return;
            if (named == own)
                continue;
            _pool.Share(named);
            _pool.Return(own);
            _blocks[_named] = named;
        }
    }

    /// <summary>Forgets all tokens from position <paramref name="length"/> on and gives back the blocks that this empties.</summary>
    /// <exception cref="ArgumentException">The position is inside a published block: tokens would be written anew into what others may hold.</exception>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        if (length < _named * _pool.BlockTokens && length % _pool.BlockTokens != 0)
            throw new ArgumentException($"position {length} is inside a block that is shared", nameof(length));
        Length = length;
        _named = Math.Min(_named, length / _pool.BlockTokens);
        for (var keep = _pool.BlocksFor(length); _held > keep;)
            _pool.Return(_blocks[--_held]);
    }

    /// <summary>Gives back all blocks.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        Truncate(0);
        _disposed = true;
    }
}
