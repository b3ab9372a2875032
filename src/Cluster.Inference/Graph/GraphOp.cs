namespace Cluster.Inference.Graph;

/// <summary>What a node computes for one token. C width, F feed-forward, H query heads, G key and value heads, D head size, S tokens seen, V vocabulary.</summary>
public enum GraphOp
{
    /// <summary>Row id of a table [V, C].</summary>
    Embedding,

    /// <summary>The sinusoidal position row [C], computed: 2 sines or cosines a pair.</summary>
    SinusoidalPosition,

    /// <summary>The token's cosines, then sines of the D / 2 rotary angles, computed.</summary>
    RotaryAngles,

    /// <summary>Row position of a table.</summary>
    PositionRow,

    /// <summary>a + b.</summary>
    Add,

    /// <summary>a ⊙ b.</summary>
    Multiply,

    /// <summary>x · factor.</summary>
    Scale,

    /// <summary>x ⊙ weight, elementwise.</summary>
    Gain,

    /// <summary>x + weight.</summary>
    Bias,

    /// <summary>x less its mean (LayerNorm only), divided by its deviation; then ⊙ gain, + bias where it has them.</summary>
    Normalise,

    /// <summary>W · x; then + bias and the activation where it has them.</summary>
    Product,

    /// <summary>GELU in its tanh form.</summary>
    Gelu,

    /// <summary>x · σ(x).</summary>
    Silu,

    /// <summary>Width values from an offset on: a view, no work.</summary>
    Slice,

    /// <summary>Each head of x rotated by the angles.</summary>
    Rotate,

    /// <summary>Key and value are put into the layer's cache. Its value is the cache.</summary>
    Append,

    /// <summary>q · k for each head and each token up to the own one [H, S]: what is masked in training is not in the cache yet.</summary>
    Scores,

    /// <summary>Softmax of each head's scores.</summary>
    Softmax,

    /// <summary>Σ over tokens of weight · value, each head [H · D].</summary>
    WeightedSum,

    /// <summary>a + b (its value "….sum"), then normalised: one pass over the row.</summary>
    ResidualNorm,

    /// <summary>Rotation, append, scores, scale, softmax and weighted sum, head by head; scores never leave the first cache level.</summary>
    Attention,
}

/// <summary>What a product does to its outputs before it writes them.</summary>
public enum ProductActivation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>GELU in its tanh form.</summary>
    Gelu,

    /// <summary>silu(gate) · up; 16 rows of gate and 16 of up take turns in the weights, so that both lie in one panel.</summary>
    Swiglu,
}
