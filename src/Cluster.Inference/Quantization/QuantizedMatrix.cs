namespace Cluster.Inference.Quantization;

/// <summary>A weight matrix [rows, columns] as codes and scales, row-major: as it lies on disk.</summary>
public sealed class QuantizedMatrix
{
    /// <param name="format">Of the codes.</param>
    /// <param name="rows">Output features.</param>
    /// <param name="columns">Input features, a multiple of 16.</param>
    /// <param name="codes">A signed byte each for 8 bits; for 4 bits two columns to a byte, the even one in the lower half, each code + 8.</param>
    /// <param name="scales">[rows, groups] in bfloat16.</param>
    public QuantizedMatrix(WeightFormat format, int rows, int columns, byte[] codes, ushort[] scales)
    {
        if (columns % 16 != 0)
            throw new ArgumentException($"{columns} columns are no multiple of 16", nameof(columns));
        if (codes.Length != (long)rows * columns * format.Bits / 8)
            throw new ArgumentException($"{codes.Length} bytes of codes for {rows} × {columns} {format}", nameof(codes));
        if (scales.Length != (long)rows * format.GroupsOf(columns))
            throw new ArgumentException($"{scales.Length} scales for {rows} rows of {format.GroupsOf(columns)} groups", nameof(scales));
        (Format, Rows, Columns, Codes, Scales) = (format, rows, columns, codes, scales);
    }

    /// <summary>Of the codes.</summary>
    public WeightFormat Format { get; }

    /// <summary>Output features.</summary>
    public int Rows { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    /// <summary>See the constructor.</summary>
    public byte[] Codes { get; }

    /// <summary>[rows, groups] in bfloat16.</summary>
    public ushort[] Scales { get; }

    /// <summary>Scales of a row.</summary>
    public int Groups => Format.GroupsOf(Columns);

    /// <summary>The signed code of one weight.</summary>
    public int Code(int row, int column)
    {
        var at = (long)row * Columns + column;
        return Format.Bits == 8 ? (sbyte)Codes[at] : ((Codes[at / 2] >> (int)(4 * (at % 2))) & 15) - 8;
    }

    /// <summary>The scale of one weight.</summary>
    public float Scale(int row, int column) => BFloat16.Widen(Scales[row * Groups + column / Format.Group]);

    /// <summary>The weights that codes and scales stand for, [rows, columns].</summary>
    public float[] Dequantize()
    {
        var weights = new float[(long)Rows * Columns];
        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < Columns; column++)
                weights[(long)row * Columns + column] = Code(row, column) * Scale(row, column);
        }

        return weights;
    }
}
