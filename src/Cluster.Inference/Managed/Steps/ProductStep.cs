using Cluster.Inference.Graph;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Managed.Steps;

/// <summary>A matrix product with its bias and activation; threads split the panels. An output is one chain, computed by one thread.</summary>
/// <param name="matrix">The weights.</param>
/// <param name="bias">In the order of the matrix's outputs; null for none.</param>
/// <param name="activation">At the end.</param>
/// <param name="batch">How many threads share a pass.</param>
/// <param name="x">[matrix inputs], rows without gaps.</param>
/// <param name="prepared">[rows, <see cref="PanelMatrix.PreparedBytes"/>], one for each thread; null where rows are read as they are.</param>
/// <param name="preparedPerThread">Bytes from a thread's to the next.</param>
/// <param name="outputs">[matrix outputs], rows without gaps: the result, or for SwiGLU what it is computed of.</param>
/// <param name="to">The result.</param>
internal sealed unsafe class ProductStep(
    PanelMatrix matrix, float* bias, ProductActivation activation, DecodeBatch batch, Operand x, byte* prepared, long preparedPerThread, Operand outputs, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        int rows = last - first, panel = Bound(thread), end = Bound(thread + 1);
        if (panel == end)
            return;
        var input = x.Row(thread, first);
        var ready = prepared;
        if (ready != null)
        {
            ready += thread * preparedPerThread;
            matrix.Prepare(input, ready, rows);
        }

        matrix.Multiply(input, ready, outputs.Row(thread, first), rows, panel, end - panel);
        int column = panel * PanelMatrix.Panel, width = Math.Min(end * PanelMatrix.Panel, matrix.Outputs) - column;
        if (activation == ProductActivation.None && bias == null)
            return;
        var added = bias == null ? null : bias + column;
        for (var r = first; r < last; r++)
        {
            var y = outputs.Row(thread, r) + column;
            switch (activation)
            {
                case ProductActivation.Swiglu:
                    DecodeKernels.Swiglu(y, added, to.Row(thread, r) + column / 2, width / 2);
                    break;
                case ProductActivation.Gelu:
                    DecodeKernels.Gelu(y, added, y, width);
                    break;
                default:
                    DecodeKernels.Add(y, added, y, width);
                    break;
            }
        }
    }

    private int Bound(int thread) => (int)((long)matrix.Panels * thread / batch.Threads);
}
