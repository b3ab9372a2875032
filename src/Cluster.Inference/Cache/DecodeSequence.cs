namespace Cluster.Inference.Cache;

/// <summary>
/// One sequence's place in the paged cache: how many tokens its backend has seen and the blocks that hold their keys and values,
/// token t in block t / <see cref="KvBlockPool.BlockTokens"/>. Pure bookkeeping; the owning backend reads and writes the storage.
/// </summary>
public sealed class DecodeSequence : IDisposable
{
    private readonly KvBlockPool _pool;
    private readonly int[] _blocks;
    private int _held;
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

    /// <summary>Forgets all tokens from position <paramref name="length"/> on and gives back the blocks that this empties.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
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
