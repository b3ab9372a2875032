using System.Runtime.InteropServices;
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
    /// <param name="format">How matrices are stored.</param>
    public PackedWeights(ModelGraph graph, ParameterSource parameters, PanelFormat format)
    {
        long bytes = 0, largest = 0;
        foreach (var node in graph.Nodes)
        {
            if (node.Op == GraphOp.Product)
                largest = Math.Max(largest, node.Weight!.Count);
            if (node.Weight is { } weight)
                bytes += NativeArena.Align(node.Op == GraphOp.Product ? format.Bytes(weight.Rows, weight.Columns) : weight.Count * sizeof(float));
            if (node.Bias is { } bias)
                bytes += NativeArena.Align(bias.Count * sizeof(float));
        }

        _arena = new NativeArena(bytes);
        var values = (float*)NativeMemory.Alloc((nuint)largest, sizeof(float));
        try
        {
            foreach (var node in graph.Nodes)
            {
                if (node.Op == GraphOp.Product)
                {
                    var weight = node.Weight!;
                    var flat = new Span<float>(values, checked((int)weight.Count));
                    weight.Fill(0, flat, parameters);
                    var matrix = format.Pack(flat, weight.Rows, weight.Columns, _arena.Take(format.Bytes(weight.Rows, weight.Columns)));
                    _matrices.Add(node.Name, matrix);
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
        finally
        {
            NativeMemory.Free(values);
        }
    }

    /// <summary>Bytes of all matrices.</summary>
    public long MatrixBytes { get; }

    /// <summary>The most that a prepared row takes.</summary>
    public int PreparedBytes { get; }

    /// <summary>A product's matrix.</summary>
    public PanelMatrix Matrix(string node) => _matrices[node];

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
