using Cluster.Inference.Graph;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Managed;

/// <summary>The weights of a graph's nodes: matrices in panels, the rest in fp32, in the order in which a step reads them.</summary>
internal sealed unsafe class PackedWeights : IDisposable
{
    private readonly NativeArena _arena;
    private readonly Dictionary<string, PanelMatrix> _matrices = new(StringComparer.Ordinal);
    private readonly Dictionary<string, nint> _weights = new(StringComparer.Ordinal), _biases = new(StringComparer.Ordinal);

    /// <param name="graph">Whose weights.</param>
    /// <param name="parameters">The model's.</param>
    /// <param name="matrices">What makes matrices.</param>
    public PackedWeights(ModelGraph graph, ParameterSource parameters, MatrixSource matrices)
    {
        // A quantised token embedding is a matrix too; a tied head is the same one.
        var packed = new Dictionary<GraphWeight, PanelMatrix>();
        bool IsMatrix(GraphNode node) => node.Op == GraphOp.Product || (node.Op == GraphOp.Embedding && matrices is QuantizedMatrices);
        _arena = new NativeArena(
            graph.Nodes.Where(IsMatrix).Select(node => node.Weight!).Distinct().Sum(weight => NativeArena.Align(matrices.Bytes(weight)))
            + graph.Nodes.Where(node => !IsMatrix(node)).Select(node => node.Weight).Concat(graph.Nodes.Select(node => node.Bias)).OfType<GraphWeight>()
                .Sum(weight => NativeArena.Align(weight.Count * sizeof(float))));
        foreach (var node in graph.Nodes)
        {
            if (IsMatrix(node))
            {
                if (!packed.TryGetValue(node.Weight!, out var matrix))
                    packed.Add(node.Weight!, matrix = matrices.Pack(node.Weight!, _arena.Take(matrices.Bytes(node.Weight!))));
                _matrices.Add(node.Name, matrix);
                if (node.Op == GraphOp.Product)
                    MatrixBytes += matrix.Bytes;
                PreparedBytes = Math.Max(PreparedBytes, matrix.PreparedBytes);
            }
            else if (node.Weight is not null)
            {
                _weights.Add(node.Name, Take(node.Weight, parameters));
            }

            if (node.Bias is not null)
                _biases.Add(node.Name, Take(node.Bias, parameters));
        }
    }

    /// <summary>Bytes of the products' matrices.</summary>
    public long MatrixBytes { get; }

    /// <summary>The most that a prepared row takes.</summary>
    public int PreparedBytes { get; }

    /// <summary>A product's matrix.</summary>
    public PanelMatrix Matrix(string node) => _matrices[node];

    /// <summary>A node's table in codes; null where it is in fp32.</summary>
    public QuantizedPanelMatrix? Table(string node) => _matrices.GetValueOrDefault(node) as QuantizedPanelMatrix;

    /// <summary>A node's table or vector; null if it has none.</summary>
    public float* Weight(string node) => (float*)_weights.GetValueOrDefault(node);

    /// <summary>A node's bias; null if it has none.</summary>
    public float* Bias(string node) => (float*)_biases.GetValueOrDefault(node);

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private nint Take(GraphWeight weight, ParameterSource parameters)
    {
        var memory = (float*)_arena.Take(weight.Count * sizeof(float));
        weight.Fill(0, new Span<float>(memory, checked((int)weight.Count)), parameters);
        return (nint)memory;
    }
}
