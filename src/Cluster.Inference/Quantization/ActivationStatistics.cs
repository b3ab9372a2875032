using Cluster.Inference.Kernels;

namespace Cluster.Inference.Quantization;

/// <summary>
/// What enters each product of a model while it reads calibration text: the mean square of every input feature. A decoder that is
/// given this fills it in. One thread at a time.
/// </summary>
public sealed class ActivationStatistics
{
    private readonly Dictionary<string, Sum> _sums = new(StringComparer.Ordinal);

    /// <summary>Mean squares of what enters the product of a matrix, [columns]; empty where nothing was seen.</summary>
    /// <param name="name">The parameter's.</param>
    public float[] MeanSquares(string name) => _sums.TryGetValue(name, out var sum) && sum.Rows > 0
        ? [.. sum.Squares.Select(square => (float)(square / sum.Rows))]
        : [];

    /// <summary>A matrix that notes its rows here before it multiplies them.</summary>
    internal PanelMatrix Watch(string name, PanelMatrix matrix)
    {
        if (!_sums.TryGetValue(name, out var sum))
            _sums.Add(name, sum = new Sum(matrix.Inputs));
        return new Watched(matrix, sum);
    }

    private sealed class Sum(int columns)
    {
        public double[] Squares { get; } = new double[columns];

        public long Rows { get; set; }
    }

    private sealed unsafe class Watched(PanelMatrix matrix, Sum sum) : PanelMatrix(matrix.Outputs, matrix.Inputs)
    {
        public override long Bytes => matrix.Bytes;

        public override int PreparedBytes => matrix.PreparedBytes;

        public override void Prepare(float* x, byte* prepared, int rows) => matrix.Prepare(x, prepared, rows);

        public override void Multiply(float* x, byte* prepared, float* y, int rows, int firstPanel, int panelCount)
        {
            if (firstPanel == 0)
            {
                for (var r = 0; r < rows; r++)
                {
                    for (var i = 0; i < Inputs; i++)
                        sum.Squares[i] += (double)x[(long)r * Inputs + i] * x[(long)r * Inputs + i];
                }

                sum.Rows += rows;
            }

            matrix.Multiply(x, prepared, y, rows, firstPanel, panelCount);
        }
    }
}
