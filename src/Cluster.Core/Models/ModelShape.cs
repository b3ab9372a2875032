using Cluster.Core.Errors;

namespace Cluster.Core.Models;

/// <summary>The non-linearity of the feed-forward part.</summary>
public enum Activation
{
    /// <summary>down(silu(gate(x)) · up(x)) — Shazeer, "GLU variants improve transformer", 2020.</summary>
    Swiglu,

    /// <summary>down(gelu(up(x))), the tanh form — Hendrycks and Gimpel, 2016.</summary>
    Gelu,
}

/// <summary>How a block normalises its input.</summary>
public enum Normalization
{
    /// <summary>Mean and variance — Ba, Kiros, Hinton, "Layer normalization", 2016.</summary>
    LayerNorm,

    /// <summary>Root mean square only — Zhang and Sennrich, 2019.</summary>
    RmsNorm,
}

/// <summary>How a token's place enters the model.</summary>
public enum PositionEncoding
{
    /// <summary>sin and cos of position / 10000^(2i/width), added to the scaled embedding — Vaswani et al., 2017, section 3.5.</summary>
    Sinusoidal,

    /// <summary>A trained table, added to the embedding (GPT-2).</summary>
    Learned,

    /// <summary>Queries and keys rotated by their position — Su et al., "RoFormer", 2021; halves paired as in GPT-NeoX and Llama.</summary>
    Rotary,
}

/// <summary>
/// The shape of a decoder-only transformer: everything that decides which parameters exist and how they are used, and nothing
/// about how they are trained.
/// </summary>
public sealed record ModelShape
{
    /// <summary>The constant n of sinusoidal and rotary positions.</summary>
    public const double PositionBase = 10_000;

    /// <summary>Added to the variance before its root in every norm.</summary>
    public const float NormEpsilon = 1e-5f;

    /// <summary>Number of blocks, 1–512.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Width of the residual stream, 16–65,536, a multiple of 16.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Query heads, 1–1,024.</summary>
    public int Heads { get; init; } = 6;

    /// <summary>Key and value heads; 0 means as many as query heads, otherwise a divisor of them (grouped-query attention).</summary>
    public int KvHeads { get; init; }

    /// <summary>Width of one head; 0 means width / heads.</summary>
    public int HeadSize { get; init; }

    /// <summary>Tokens that training sequences hold in the base phases, 8–1,048,576.</summary>
    public int Context { get; init; } = 256;

    /// <summary>Longest sequence the model is ever given; 0 means the context. The long-context phase sets it to its own length.</summary>
    public int MaxContext { get; init; }

    /// <summary>
    /// Rows of the embedding: the tokenizer's ids rounded up to a multiple of 16 (ids above the tokenizer's are never targets);
    /// 0 until the tokenizer is known.
    /// </summary>
    public int Vocabulary { get; init; }

    /// <summary>Hidden width of the feed-forward part; 0 means 4 × width.</summary>
    public int FeedForward { get; init; }

    /// <summary>The feed-forward part's non-linearity.</summary>
    public Activation Activation { get; init; } = Activation.Swiglu;

    /// <summary>The kind of norm.</summary>
    public Normalization Norm { get; init; } = Normalization.LayerNorm;

    /// <summary>The kind of positions.</summary>
    public PositionEncoding Positions { get; init; } = PositionEncoding.Sinusoidal;

    /// <summary>Whether linear layers and LayerNorm carry a bias.</summary>
    public bool Biases { get; init; }

    /// <summary>Whether the output head is the token embedding (Press and Wolf, 2017).</summary>
    public bool TiedHead { get; init; } = true;

    /// <summary>The shape with every derived field written out.</summary>
    public ModelShape Resolved() => this with
    {
        KvHeads = KvHeads == 0 ? Heads : KvHeads,
        HeadSize = HeadSize == 0 ? Width / Heads : HeadSize,
        FeedForward = FeedForward == 0 ? 4 * Width : FeedForward,
        MaxContext = Math.Max(MaxContext, Context),
    };

    /// <summary>
    /// What the token embedding is multiplied by on its way in: √width where sinusoidal positions of amplitude 1 are added to it
    /// (Vaswani et al., section 3.4), otherwise 1.
    /// </summary>
    public float EmbeddingScale => Positions == PositionEncoding.Sinusoidal ? MathF.Sqrt(Width) : 1f;

    /// <summary>
    /// Sets depth and everything that follows from it: width 64 × depth within 128–1,536, heads of size 32 up to width 512 and 64 above.
    /// </summary>
    /// <param name="depth">Number of blocks, 1–64.</param>
    public static ModelShape FromDepth(int depth)
    {
        if (depth is < 1 or > 64)
            throw new UserErrorException($"depth is {depth}.", "Give a whole number from 1 to 64.");
        var width = Math.Clamp(64 * depth, 128, 1536);
        return new ModelShape { Layers = depth, Width = width, Heads = width / (width <= 512 ? 32 : 64) };
    }

    /// <summary>Checks every field of a resolved shape.</summary>
    /// <exception cref="UserErrorException">A field is out of its range; the message names field, value and range.</exception>
    public void Validate()
    {
        Range("model.layers", Layers, 1, 512);
        Range("model.width", Width, 16, 65_536);
        if (Width % 16 != 0)
            throw new UserErrorException($"model.width is {Width}.", "Give a multiple of 16.");
        Range("model.heads", Heads, 1, 1_024);
        if (HeadSize == 0 && Width % Heads != 0)
            throw new UserErrorException($"model.heads is {Heads}, which does not divide model.width {Width}.",
                $"Give a divisor of {Width}, or set model.head_size.");
        var shape = Resolved();
        Range("model.head_size", shape.HeadSize, 2, 1_024);
        if (shape.HeadSize % 2 != 0)
            throw new UserErrorException($"model.head_size is {shape.HeadSize}.", "Give an even number.");
        Range("model.kv_heads", shape.KvHeads, 1, Heads);
        if (Heads % shape.KvHeads != 0)
            throw new UserErrorException($"model.kv_heads is {shape.KvHeads}, which does not divide model.heads {Heads}.", "Give a divisor of the heads.");
        // Vectorised passes go 16 columns at a time.
        if (Heads * shape.HeadSize % 16 != 0 || shape.KvHeads * shape.HeadSize % 16 != 0)
            throw new UserErrorException($"model.head_size is {shape.HeadSize} with {Heads} heads and {shape.KvHeads} kv_heads.",
                "Heads × head size, and kv_heads × head size, must be multiples of 16.");
        Range("model.context", Context, 8, 1_048_576);
        Range("model.max_context", shape.MaxContext, Context, 1_048_576);
        Range("model.vocabulary", Vocabulary, 0, 1 << 24);
        if (Vocabulary % 16 != 0)
            throw new UserErrorException($"model.vocabulary is {Vocabulary}.", "Give a multiple of 16, or 0 to take the tokenizer's.");
        Range("model.feed_forward", shape.FeedForward, 16, 1 << 20);
        if (shape.FeedForward % 16 != 0)
            throw new UserErrorException($"model.feed_forward is {shape.FeedForward}.", "Give a multiple of 16.");

        static void Range(string field, long value, long low, long high)
        {
            if (value < low || value > high)
                throw new UserErrorException($"{field} is {value}.", $"Give a whole number from {low} to {high}.");
        }
    }
}
