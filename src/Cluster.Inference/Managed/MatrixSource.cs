// How the matrices of a graph's products come to be in panels. Enters: a node's weight, an expression over parameters. Leaves: a
// PanelMatrix. Does not know: graphs, what a product does at its end.
using System.Runtime.InteropServices;
using Cluster.Inference.Graph;
using Cluster.Inference.Kernels;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Managed;

internal abstract unsafe class MatrixSource
{
    /// <summary>Bytes of memory that <see cref="Pack"/> needs.</summary>
    public abstract long Bytes(GraphWeight weight);

    /// <summary>Stores a matrix.</summary>
    /// <param name="weight">Its values.</param>
    /// <param name="memory"><see cref="Bytes"/> zeroed bytes on a 64-byte bound, alive as long as the result.</param>
    public abstract PanelMatrix Pack(GraphWeight weight, void* memory);

    /// <summary>The parameter of a weight's first row.</summary>
    protected static string NameOf(GraphWeight weight) => weight switch
    {
        ParameterRows rows => rows.Parameter.Name,
        StackedWeight stacked => NameOf(stacked.Parts[0]),
        InterleavedWeight interleaved => NameOf(interleaved.First),
        ColumnScaledWeight scaled => NameOf(scaled.Matrix),
        ScaledWeight scaled => NameOf(scaled.Weight),
        _ => throw new ArgumentException($"{weight} has no rows of a parameter", nameof(weight)),
    };
}

/// <summary>Matrices of fp32 parameters in a format that takes any values.</summary>
/// <param name="parameters">The model's.</param>
/// <param name="format">How matrices are stored.</param>
/// <param name="statistics">Told of what enters each product; null for nobody.</param>
internal sealed unsafe class WidenedMatrices(ParameterSource parameters, PanelFormat format, ActivationStatistics? statistics) : MatrixSource
{
    /// <inheritdoc/>
    public override long Bytes(GraphWeight weight) => format.Bytes(weight.Rows, weight.Columns);

    /// <inheritdoc/>
    public override PanelMatrix Pack(GraphWeight weight, void* memory)
    {
        var values = NativeMemory.Alloc((nuint)weight.Count, sizeof(float));
        try
        {
            var flat = new Span<float>(values, checked((int)weight.Count));
            weight.Fill(0, flat, parameters);
            var matrix = format.Pack(flat, weight.Rows, weight.Columns, memory);
            return statistics?.Watch(NameOf(weight), matrix) ?? matrix;
        }
        finally
        {
            NativeMemory.Free(values);
        }
    }
}

/// <summary>A quantised model's matrices: rows may be chosen and ordered anew, but no value changes.</summary>
internal sealed unsafe class QuantizedMatrices(QuantizedModel model) : MatrixSource
{
    /// <inheritdoc/>
    public override long Bytes(GraphWeight weight) => QuantizedPanelMatrix.PackedBytes(First(weight).Format, weight.Rows, weight.Columns);

    /// <inheritdoc/>
    public override PanelMatrix Pack(GraphWeight weight, void* memory)
    {
        var name = NameOf(weight);
        var matrix = weight is ParameterRows { First: 0 } whole && whole.Rows == whole.Parameter.Rows ? model.Matrices[name] : Gather(weight);
        return QuantizedPanelMatrix.Pack(matrix, model.Scheme.ActivationsOf(name), memory);
    }

    private QuantizedMatrix First(GraphWeight weight) => model.Matrices[NameOf(weight)];

    private QuantizedMatrix Gather(GraphWeight weight)
    {
        var first = First(weight);
        int bytes = first.Columns * first.Format.Bits / 8, groups = first.Groups;
        var codes = new byte[(long)weight.Rows * bytes];
        var scales = new ushort[weight.Rows * groups];
        for (var row = 0; row < weight.Rows; row++)
        {
            var (name, from) = Place(weight, row);
            var matrix = model.Matrices[name];
            if ((matrix.Format, matrix.Columns) != (first.Format, first.Columns))
                throw new ArgumentException($"{weight} joins matrices of other formats or widths", nameof(weight));
            matrix.Codes.AsSpan(from * bytes, bytes).CopyTo(codes.AsSpan(row * bytes));
            matrix.Scales.AsSpan(from * groups, groups).CopyTo(scales.AsSpan(row * groups));
        }

        return new QuantizedMatrix(first.Format, weight.Rows, first.Columns, codes, scales);
    }

    private static (string Name, int Row) Place(GraphWeight weight, int row)
    {
        switch (weight)
        {
            case ParameterRows rows:
                return (rows.Parameter.Name, rows.First + row);
            case StackedWeight stacked:
                foreach (var part in stacked.Parts)
                {
                    if (row < part.Rows)
                        return Place(part, row);
                    row -= part.Rows;
                }

                break;
            case InterleavedWeight interleaved:
                const int unit = InterleavedWeight.Unit;
                return Place(row / unit % 2 == 0 ? interleaved.First : interleaved.Second, row / (2 * unit) * unit + row % unit);
        }

        throw new ArgumentException($"{weight} changes values, and codes have theirs", nameof(weight));
    }
}

/// <summary>What a quantised model keeps in fp32.</summary>
internal sealed class QuantizedVectors(QuantizedModel model) : ParameterSource
{
    /// <inheritdoc/>
    public override void Fill(Core.Models.Parameter parameter, long first, Span<float> to) =>
        model.Vectors[parameter.Name].AsSpan((int)first, to.Length).CopyTo(to);
}
