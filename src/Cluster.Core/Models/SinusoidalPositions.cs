namespace Cluster.Core.Models;

/// <summary>The fixed position table of Vaswani et al., "Attention is all you need", 2017, section 3.5.</summary>
public static class SinusoidalPositions
{
    /// <summary>
    /// table[p, 2i] = sin(p / 10000^(2i/width)), table[p, 2i + 1] = cos(p / 10000^(2i/width)), computed in double.
    /// </summary>
    /// <param name="table">[positions, width], row-major.</param>
    /// <param name="width">Width of a row, even.</param>
    public static void Fill(Span<float> table, int width)
    {
        for (var i = 0; i < width / 2; i++)
        {
            var frequency = Math.Pow(ModelShape.PositionBase, -2.0 * i / width);
            for (var p = 0; p < table.Length / width; p++)
            {
                table[p * width + 2 * i] = (float)Math.Sin(p * frequency);
                table[p * width + 2 * i + 1] = (float)Math.Cos(p * frequency);
            }
        }
    }

    /// <summary>One row of the table, the same bits.</summary>
    /// <param name="row">[width].</param>
    /// <param name="position">Its number.</param>
    public static void FillRow(Span<float> row, int position)
    {
        for (var i = 0; i < row.Length / 2; i++)
        {
            var frequency = Math.Pow(ModelShape.PositionBase, -2.0 * i / row.Length);
            row[2 * i] = (float)Math.Sin(position * frequency);
            row[2 * i + 1] = (float)Math.Cos(position * frequency);
        }
    }
}
