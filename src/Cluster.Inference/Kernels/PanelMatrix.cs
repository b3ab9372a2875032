// y = x · Wᵀ for a few rows x against a weight matrix that is read once from memory. Enters: rows in fp32. Leaves: rows in fp32.
// Every output is one chain of fused multiply-adds over the input features in order, whatever the number of rows and whichever
// kernel computes it, so a row's bits depend on that row and W only.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

/// <summary>
/// A weight matrix [out, in] in panels of 64 output features: decode streams through memory front to back. Threads split the panels among
/// them; the numbers of an output must depend neither on the rows beside its own nor on which panels are computed in one call.
/// </summary>
internal abstract unsafe class PanelMatrix(int outputs, int inputs)
{
    /// <summary>Output features of a panel.</summary>
    public const int Panel = 64;

    /// <summary>Output features, a multiple of 16.</summary>
    public int Outputs => outputs;

    /// <summary>Input features.</summary>
    public int Inputs => inputs;

    /// <summary>Panels, the last one perhaps not full.</summary>
    public int Panels => (outputs + Panel - 1) / Panel;

    /// <summary>Bytes of memory that a product reads for the weights.</summary>
    public abstract long Bytes { get; }

    /// <summary>Bytes that a prepared row takes, a multiple of 64; 0 where rows are multiplied as they are.</summary>
    public virtual int PreparedBytes => 0;

    /// <summary>Brings rows into the form that <see cref="Multiply"/> reads (quantised, say), each for itself. Called once per product, before all panels.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="prepared">[rows, <see cref="PreparedBytes"/>], on a 64-byte bound.</param>
    /// <param name="rows">At least 1.</param>
    public virtual void Prepare(float* x, byte* prepared, int rows)
    {
    }

    /// <summary>y[r, o] = Σ over i of x[r, i] · W[o, i] for the outputs of some panels; the other outputs are not touched.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="prepared">What <see cref="Prepare"/> made of them; null where <see cref="PreparedBytes"/> is 0.</param>
    /// <param name="y">[rows, outputs].</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="firstPanel">The first panel to compute.</param>
    /// <param name="panelCount">How many, at least 0.</param>
    public abstract void Multiply(float* x, byte* prepared, float* y, int rows, int firstPanel, int panelCount);
}

/// <inheritdoc cref="PanelMatrix"/>
internal sealed unsafe class PanelMatrix<T> : PanelMatrix
    where T : unmanaged, IPanelWeight<T>
{
    private readonly T* _panels;

    /// <param name="weights">[outputs, inputs], row-major.</param>
    /// <param name="outputs">A multiple of 16.</param>
    /// <param name="inputs">Input features.</param>
    /// <param name="memory"><see cref="PackedCount"/> elements on a 64-byte bound, alive as long as this.</param>
    public PanelMatrix(ReadOnlySpan<float> weights, int outputs, int inputs, T* memory)
        : base(outputs, inputs)
    {
        _panels = memory;
        Span<float> line = stackalloc float[Panel];
        for (var first = 0; first < outputs; first += Panel)
        {
            for (var i = 0; i < inputs; i++, memory += Panel)
            {
                line.Clear();
                for (var o = first; o < Math.Min(first + Panel, outputs); o++)
                    line[o - first] = weights[o * inputs + i];
                T.Store(memory, line);
            }
        }
    }

    /// <inheritdoc/>
    public override long Bytes => PackedCount(Outputs, Inputs) * sizeof(T);

    /// <summary>Elements that the panels take, the last one padded.</summary>
    public static long PackedCount(int outputs, int inputs) => ((long)outputs + Panel - 1) / Panel * Panel * inputs;

    /// <inheritdoc/>
    public override void Multiply(float* x, byte* prepared, float* y, int rows, int firstPanel, int panelCount)
    {
        var size = (long)Panel * Inputs;
        var panel = _panels + firstPanel * size;
        int first = firstPanel * Panel, end = Math.Min(Outputs, (firstPanel + panelCount) * Panel);
        if (rows == 1)
        {
            for (; first + 2 * Panel <= end; first += 2 * Panel, panel += 2 * size)
                OneRowTwoPanels(x, panel, panel + size, y + first, Inputs);
        }

        for (; first < end; first += Panel, panel += size)
        {
            var count = Math.Min(Panel, end - first);
            var row = 0;
            for (; row + 4 <= rows; row += 4)
                FourRows(x + (long)row * Inputs, panel, y + (long)row * Outputs + first, Inputs, Outputs, count);
            for (; row < rows; row++)
                OneRow(x + (long)row * Inputs, panel, y + (long)row * Outputs + first, Inputs, count);
        }
    }

    /// <summary>Eight chains at once, enough to hide the latency of a multiply-add.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRowTwoPanels(float* x, T* left, T* right, float* y, int inputs)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        for (var end = x + inputs; x < end; x++, left += Panel, right += Panel)
        {
            var value = Vector512.Create(*x);
            a0 = Vector512.FusedMultiplyAdd(value, T.Load(left, 0), a0);
            a1 = Vector512.FusedMultiplyAdd(value, T.Load(left, 1), a1);
            a2 = Vector512.FusedMultiplyAdd(value, T.Load(left, 2), a2);
            a3 = Vector512.FusedMultiplyAdd(value, T.Load(left, 3), a3);
            b0 = Vector512.FusedMultiplyAdd(value, T.Load(right, 0), b0);
            b1 = Vector512.FusedMultiplyAdd(value, T.Load(right, 1), b1);
            b2 = Vector512.FusedMultiplyAdd(value, T.Load(right, 2), b2);
            b3 = Vector512.FusedMultiplyAdd(value, T.Load(right, 3), b3);
        }

        Store(y, a0, a1, a2, a3, Panel);
        Store(y + Panel, b0, b1, b2, b3, Panel);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(float* x, T* panel, float* y, int inputs, int count)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
        for (var end = x + inputs; x < end; x++, panel += Panel)
        {
            var value = Vector512.Create(*x);
            a0 = Vector512.FusedMultiplyAdd(value, T.Load(panel, 0), a0);
            a1 = Vector512.FusedMultiplyAdd(value, T.Load(panel, 1), a1);
            a2 = Vector512.FusedMultiplyAdd(value, T.Load(panel, 2), a2);
            a3 = Vector512.FusedMultiplyAdd(value, T.Load(panel, 3), a3);
        }

        Store(y, a0, a1, a2, a3, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(float* x, T* panel, float* y, int inputs, int outputs, int count)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, d0 = default, d1 = default, d2 = default, d3 = default;
        float* x1 = x + inputs, x2 = x1 + inputs, x3 = x2 + inputs;
        for (var i = 0; i < inputs; i++, panel += Panel)
        {
            Vector512<float> w0 = T.Load(panel, 0), w1 = T.Load(panel, 1), w2 = T.Load(panel, 2), w3 = T.Load(panel, 3);
            var value = Vector512.Create(x[i]);
            a0 = Vector512.FusedMultiplyAdd(value, w0, a0);
            a1 = Vector512.FusedMultiplyAdd(value, w1, a1);
            a2 = Vector512.FusedMultiplyAdd(value, w2, a2);
            a3 = Vector512.FusedMultiplyAdd(value, w3, a3);
            value = Vector512.Create(x1[i]);
            b0 = Vector512.FusedMultiplyAdd(value, w0, b0);
            b1 = Vector512.FusedMultiplyAdd(value, w1, b1);
            b2 = Vector512.FusedMultiplyAdd(value, w2, b2);
            b3 = Vector512.FusedMultiplyAdd(value, w3, b3);
            value = Vector512.Create(x2[i]);
            c0 = Vector512.FusedMultiplyAdd(value, w0, c0);
            c1 = Vector512.FusedMultiplyAdd(value, w1, c1);
            c2 = Vector512.FusedMultiplyAdd(value, w2, c2);
            c3 = Vector512.FusedMultiplyAdd(value, w3, c3);
            value = Vector512.Create(x3[i]);
            d0 = Vector512.FusedMultiplyAdd(value, w0, d0);
            d1 = Vector512.FusedMultiplyAdd(value, w1, d1);
            d2 = Vector512.FusedMultiplyAdd(value, w2, d2);
            d3 = Vector512.FusedMultiplyAdd(value, w3, d3);
        }

        Store(y, a0, a1, a2, a3, count);
        Store(y + outputs, b0, b1, b2, b3, count);
        Store(y + 2L * outputs, c0, c1, c2, c3, count);
        Store(y + 3L * outputs, d0, d1, d2, d3, count);
    }

    /// <summary>Writes the first <paramref name="count"/> of 64 outputs, a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* y, Vector512<float> p0, Vector512<float> p1, Vector512<float> p2, Vector512<float> p3, int count)
    {
        p0.Store(y);
        if (count > 16)
            p1.Store(y + 16);
        if (count > 32)
            p2.Store(y + 32);
        if (count > 48)
            p3.Store(y + 48);
    }
}
