using Cluster.Core.Models;

namespace Cluster.Inference.Quantization;

/// <summary>A model with its matrices in codes and scales.</summary>
public sealed class QuantizedModel
{
    /// <param name="layout">The model's shape and the names of its parameters.</param>
    /// <param name="scheme">Which part has which format.</param>
    /// <param name="matrices">By name, one for each parameter to which the scheme gives a format.</param>
    /// <param name="vectors">By name, the others in fp32.</param>
    public QuantizedModel(
        ParameterLayout layout, QuantizationScheme scheme, IReadOnlyDictionary<string, QuantizedMatrix> matrices, IReadOnlyDictionary<string, float[]> vectors)
    {
        foreach (var p in layout.Parameters)
        {
            if (scheme.FormatOf(p) is { } format
                ? !matrices.TryGetValue(p.Name, out var matrix) || (matrix.Rows, matrix.Columns, matrix.Format) != (p.Rows, p.Columns, format)
                : !vectors.TryGetValue(p.Name, out var vector) || vector.Length != p.Count)
            {
                throw new ArgumentException($"{p.Name} is missing, or is not what layout and scheme say", nameof(matrices));
            }
        }

        (Layout, Scheme, Matrices, Vectors) = (layout, scheme, matrices, vectors);
    }

    /// <summary>The model's shape and the names of its parameters.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Which part has which format.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>Matrices by name.</summary>
    public IReadOnlyDictionary<string, QuantizedMatrix> Matrices { get; }

    /// <summary>What stays in fp32, by name.</summary>
    public IReadOnlyDictionary<string, float[]> Vectors { get; }

    /// <summary>The same model with keys and values stored otherwise.</summary>
    public QuantizedModel With(CacheFormat cache) => new(Layout, Scheme with { Cache = cache }, Matrices, Vectors);

    /// <summary>Quantises a model; each matrix's codes follow from it and what enters it alone.</summary>
    /// <param name="layout">Where its parameters lie.</param>
    /// <param name="parameters">The flat vector, of the layout's total length, finite.</param>
    /// <param name="scheme">Which part gets which format.</param>
    /// <param name="statistics">What enters the products; null to minimise plain squares of errors.</param>
    public static QuantizedModel Of(ParameterLayout layout, ReadOnlyMemory<float> parameters, QuantizationScheme scheme, ActivationStatistics? statistics = null)
    {
        var matrices = new Dictionary<string, QuantizedMatrix>(StringComparer.Ordinal);
        var vectors = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var p in layout.Parameters)
        {
            var values = parameters.Slice((int)p.Offset, checked((int)p.Count));
            if (scheme.FormatOf(p) is { } format)
                matrices.Add(p.Name, RowQuantizer.Quantize(values, p.Rows, p.Columns, format, statistics?.MeanSquares(p.Name) ?? []));
            else
                vectors.Add(p.Name, values.ToArray());
        }

        return new QuantizedModel(layout, scheme, matrices, vectors);
    }

    /// <summary>The flat fp32 vector that codes and scales stand for.</summary>
    public float[] Dequantize()
    {
        var parameters = new float[Layout.TotalCount];
        foreach (var p in Layout.Parameters)
            (Vectors.GetValueOrDefault(p.Name) ?? Matrices[p.Name].Dequantize()).CopyTo(parameters, p.Offset);
        return parameters;
    }
}
