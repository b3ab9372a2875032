namespace Cluster.Core.Models;

/// <summary>
/// Floating-point operations of one trained token, forward and backward, a multiplication and an addition counted as two.
/// Parameters outside the embedding tables: 6 · N (Kaplan et al., "Scaling laws for neural language models", 2020, section 2.1); the
/// head's product, which a tied table hides: 6 · vocabulary · width; attention's scores and sums: 12 · layers · heads · head size ·
/// context (Chowdhery et al., "PaLM", 2022, appendix B, which counts the full square although half of it is masked).
/// </summary>
public static class ModelFlops
{
    /// <summary>6 · N without embedding tables and head.</summary>
    public static long OfParameters(ModelShape shape) => 6 * new ParameterLayout(shape).Parameters
        .Where(p => p.Name is not ("token_embedding.weight" or "position_embedding.weight" or "head.weight")).Sum(p => p.Count);

    /// <summary>6 · vocabulary · width.</summary>
    public static long OfHead(ModelShape shape) => 6L * shape.Vocabulary * shape.Width;

    /// <summary>12 · layers · heads · head size · context.</summary>
    public static long OfAttention(ModelShape shape, int context)
    {
        shape = shape.Resolved();
        return 12L * shape.Layers * shape.Heads * shape.HeadSize * context;
    }

    /// <summary>All three.</summary>
    public static long TrainingPerToken(ModelShape shape, int context) => OfParameters(shape) + OfHead(shape) + OfAttention(shape, context);
}
