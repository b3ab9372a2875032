namespace Cluster.Core.Models;

/// <summary>How a parameter's values start.</summary>
public enum ParameterInitialisation
{
    /// <summary>Normal with a standard deviation.</summary>
    Normal,

    /// <summary>All ones (gains).</summary>
    Ones,

    /// <summary>All zeros (biases).</summary>
    Zeros,
}

/// <summary>One named parameter inside the flat vector.</summary>
/// <param name="Name">Dotted name, as in checkpoints.</param>
/// <param name="Rows">Output features (or table rows); 1 for a vector.</param>
/// <param name="Columns">Input features, or the vector's length.</param>
/// <param name="Offset">Where it starts in the flat vector, in elements; a multiple of 16.</param>
/// <param name="Index">Its place in the layout; keys its initial values.</param>
/// <param name="Initialisation">How its values start.</param>
/// <param name="StandardDeviation">For <see cref="ParameterInitialisation.Normal"/>.</param>
public sealed record Parameter(
    string Name, int Rows, int Columns, long Offset, int Index, ParameterInitialisation Initialisation, double StandardDeviation)
{
    /// <summary>Number of values.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Whether this is a matrix: matrices decay, gains and biases do not.</summary>
    public bool IsMatrix => Rows > 1;

    /// <summary>Tensor shape as saved: [rows, columns] or [columns].</summary>
    public long[] Shape => IsMatrix ? [Rows, Columns] : [Columns];
}

/// <summary>
/// Where each parameter of a model lies in one flat vector. Matrices first (they take weight decay), then gains and biases; every
/// parameter starts on a 64-byte bound, so vectorised passes treat it alike wherever it lies. The padding between them stays zero.
/// Weights are [out, in], so that y = x · Wᵀ.
/// </summary>
public sealed class ParameterLayout
{
    private const int Alignment = 16;
    private readonly Dictionary<string, Parameter> _byName;

    /// <param name="shape">A resolved shape whose vocabulary is known.</param>
    public ParameterLayout(ModelShape shape)
    {
        Shape = shape = shape.Resolved();
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.Vocabulary, 1);
        var parameters = new List<Parameter>();
        long offset = 0;

        int width = shape.Width, query = shape.Heads * shape.HeadSize, keyValue = shape.KvHeads * shape.HeadSize;
        var upRows = shape.Activation == Activation.Swiglu ? 2 * shape.FeedForward : shape.FeedForward;
        // GPT-2: 0.02, and 0.02 / √(2 · layers) for the projections that write into the residual stream.
        const double deviation = 0.02;
        var residualDeviation = deviation / Math.Sqrt(2.0 * shape.Layers);

        Matrix("token_embedding.weight", shape.Vocabulary, width, deviation);
        if (shape.Positions == PositionEncoding.Learned)
            Matrix("position_embedding.weight", shape.MaxContext, width, deviation);
        for (var layer = 0; layer < shape.Layers; layer++)
        {
            Matrix($"blocks.{layer}.attention.qkv.weight", query + 2 * keyValue, width, deviation);
            Matrix($"blocks.{layer}.attention.output.weight", width, query, residualDeviation);
            Matrix($"blocks.{layer}.feed_forward.up.weight", upRows, width, deviation);
            Matrix($"blocks.{layer}.feed_forward.down.weight", width, shape.FeedForward, residualDeviation);
        }

        if (!shape.TiedHead)
            Matrix("head.weight", shape.Vocabulary, width, deviation);
        DecayedCount = offset;

        for (var layer = 0; layer < shape.Layers; layer++)
        {
            Norm($"blocks.{layer}.attention_norm");
            Norm($"blocks.{layer}.feed_forward_norm");
            if (shape.Biases)
            {
                Add($"blocks.{layer}.attention.qkv.bias", 1, query + 2 * keyValue, ParameterInitialisation.Zeros, 0);
                Add($"blocks.{layer}.attention.output.bias", 1, width, ParameterInitialisation.Zeros, 0);
                Add($"blocks.{layer}.feed_forward.up.bias", 1, upRows, ParameterInitialisation.Zeros, 0);
                Add($"blocks.{layer}.feed_forward.down.bias", 1, width, ParameterInitialisation.Zeros, 0);
            }
        }

        Norm("final_norm");
        Parameters = parameters;
        TotalCount = offset;
        _byName = parameters.ToDictionary(p => p.Name, StringComparer.Ordinal);

        void Matrix(string name, int rows, int columns, double standardDeviation) =>
            Add(name, rows, columns, ParameterInitialisation.Normal, standardDeviation);

        void Norm(string name)
        {
            Add(name + ".gain", 1, width, ParameterInitialisation.Ones, 0);
            if (shape.Norm == Normalization.LayerNorm && shape.Biases)
                Add(name + ".bias", 1, width, ParameterInitialisation.Zeros, 0);
        }

        void Add(string name, int rows, int columns, ParameterInitialisation initialisation, double standardDeviation)
        {
            parameters.Add(new Parameter(name, rows, columns, offset, parameters.Count, initialisation, standardDeviation));
            offset += ((long)rows * columns + Alignment - 1) / Alignment * Alignment;
        }
    }

    /// <summary>The resolved shape.</summary>
    public ModelShape Shape { get; }

    /// <summary>In order of their offsets.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Length of the flat vector, padding included; a multiple of 16.</summary>
    public long TotalCount { get; }

    /// <summary>The first <see cref="DecayedCount"/> elements take weight decay.</summary>
    public long DecayedCount { get; }

    /// <summary>Number of trained values, padding left out.</summary>
    public long ParameterCount => Parameters.Sum(p => p.Count);

    /// <summary>The parameter of that name.</summary>
    public Parameter this[string name] => _byName[name];

    /// <summary>The parameter of that name, or null where the shape has none.</summary>
    public Parameter? Find(string name) => _byName.GetValueOrDefault(name);
}
