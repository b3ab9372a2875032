using Cluster.Inference.Quantization;

namespace Cluster.Inference.Kernels;

/// <summary>
/// How keys and values of one layer lie in a cache block of 16 tokens. A block's head is read and written by one thread at a time; what
/// is computed for a token follows from the tokens up to it alone, whatever the rest of a block holds.
/// </summary>
/// <param name="kvHeads">Key and value heads.</param>
/// <param name="headSize">Width of one head, even.</param>
internal abstract unsafe class KeyValueFormat(int kvHeads, int headSize)
{
    /// <summary>Tokens of one block: the lanes of a vector.</summary>
    public const int BlockTokens = 16;

    /// <summary>Lanes of a vector.</summary>
    protected const int Lanes = 16;

    /// <summary>Key and value heads.</summary>
    public int KvHeads => kvHeads;

    /// <summary>Width of one head.</summary>
    public int HeadSize => headSize;

    /// <summary>The head's width rounded up to whole vectors.</summary>
    public int PaddedHeadSize => (headSize + Lanes - 1) / Lanes * Lanes;

    /// <summary>The one that stores keys and values so.</summary>
    public static KeyValueFormat Of(CacheFormat format, int kvHeads, int headSize) => format switch
    {
        CacheFormat.Fp32 => new Fp32KeyValues(kvHeads, headSize),
        CacheFormat.Bf16 => new NarrowKeyValues<Bf16Element>(kvHeads, headSize),
        CacheFormat.Int8 => new NarrowKeyValues<Int8Element>(kvHeads, headSize),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
    };

    /// <summary>Bytes of one layer in a block, a multiple of 64.</summary>
    public abstract int LayerBytes { get; }

    /// <summary>Stores one token's key and value of one head.</summary>
    /// <param name="block">This layer's part of the block.</param>
    /// <param name="head">Of the key and value heads.</param>
    /// <param name="slot">The token's place in the block.</param>
    /// <param name="key">[headSize], rotated already.</param>
    /// <param name="value">[headSize].</param>
    public abstract void Append(byte* block, int head, int slot, float* key, float* value);

    /// <summary>One token's key and value of one head, as attention sees them up to rounding.</summary>
    /// <param name="block">This layer's part of the block.</param>
    /// <param name="head">Of the key and value heads.</param>
    /// <param name="slot">The token's place in the block.</param>
    /// <param name="key">Receives [headSize].</param>
    /// <param name="value">Receives [headSize].</param>
    public abstract void Read(byte* block, int head, int slot, float* key, float* value);

    /// <summary>scores[t] = q · key of token t for the tokens before <paramref name="seen"/>, −∞ from there to the end of their last block.</summary>
    /// <param name="query">[headSize].</param>
    /// <param name="blocks">This layer's part of each of the sequence's blocks.</param>
    /// <param name="head">Of the key and value heads.</param>
    /// <param name="seen">Tokens, at least 1.</param>
    /// <param name="scores">Room for whole blocks; on a 64-byte bound.</param>
    public abstract void Scores(float* query, byte** blocks, int head, int seen, float* scores);

    /// <summary>output = factor · Σ over t of weights[t] · value of token t, in an order that follows from <paramref name="seen"/> alone.</summary>
    /// <param name="weights">[seen].</param>
    /// <param name="blocks">This layer's part of each of the sequence's blocks.</param>
    /// <param name="head">Of the key and value heads.</param>
    /// <param name="seen">Tokens, at least 1.</param>
    /// <param name="factor">What the sum is multiplied by.</param>
    /// <param name="output">[<see cref="PaddedHeadSize"/>], on a 64-byte bound.</param>
    public abstract void WeightedValues(float* weights, byte** blocks, int head, int seen, float factor, float* output);
}
