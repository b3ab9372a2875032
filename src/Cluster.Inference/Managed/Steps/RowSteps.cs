// Steps that every thread computes for itself: a row is short, and a barrier costs as much as the work.
using Cluster.Core.Models;
using Cluster.Inference.Graph;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Managed.Steps;

/// <summary>A row of a table, by the token's id or its position.</summary>
internal sealed unsafe class TableStep(float* table, int width, int* rowOf, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            new ReadOnlySpan<float>(table + (long)rowOf[r] * width, width).CopyTo(new Span<float>(to.Row(thread, r), width));
    }
}

/// <summary>A row of a quantised table, widened, by the token's id.</summary>
internal sealed unsafe class QuantizedTableStep(QuantizedPanelMatrix table, int* rowOf, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            table.ReadRow(rowOf[r], to.Row(thread, r));
    }
}

/// <summary>A row of sinusoidal positions, or rotary angles, computed from the position.</summary>
internal sealed unsafe class PositionStep(bool rotary, int width, int* positions, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
        {
            var row = new Span<float>(to.Row(thread, r), width);
            if (rotary)
                RotaryAngles.Fill(row, positions[r]);
            else
                SinusoidalPositions.FillRow(row, positions[r]);
        }
    }
}

/// <summary>a + b or a ⊙ b; b is another value.</summary>
internal sealed unsafe class BinaryStep(bool multiply, int width, Operand a, Operand b, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
        {
            if (multiply)
                DecodeKernels.Multiply(a.Row(thread, r), b.Row(thread, r), to.Row(thread, r), width);
            else
                DecodeKernels.Add(a.Row(thread, r), b.Row(thread, r), to.Row(thread, r), width);
        }
    }
}

/// <summary>x ⊙ gain or x + bias.</summary>
internal sealed unsafe class VectorStep(bool multiply, int width, Operand x, float* vector, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
        {
            if (multiply)
                DecodeKernels.Multiply(x.Row(thread, r), vector, to.Row(thread, r), width);
            else
                DecodeKernels.Add(x.Row(thread, r), vector, to.Row(thread, r), width);
        }
    }
}

/// <summary>x · factor.</summary>
internal sealed unsafe class ScaleStep(int width, float factor, Operand x, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            DecodeKernels.Scale(x.Row(thread, r), factor, to.Row(thread, r), width);
    }
}

/// <summary>GELU or SiLU.</summary>
internal sealed unsafe class ActivationStep(bool gelu, int width, Operand x, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
        {
            if (gelu)
                DecodeKernels.Gelu(x.Row(thread, r), null, to.Row(thread, r), width);
            else
                DecodeKernels.Silu(x.Row(thread, r), to.Row(thread, r), width);
        }
    }
}

/// <summary>A norm.</summary>
internal sealed unsafe class NormaliseStep(Normalization kind, int width, Operand x, float* gain, float* bias, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            DecodeKernels.Normalise(x.Row(thread, r), gain, bias, to.Row(thread, r), width, kind);
    }
}

/// <summary>A residual sum and its norm.</summary>
internal sealed unsafe class ResidualNormStep(Normalization kind, int width, Operand a, Operand b, Operand sum, float* gain, float* bias, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            DecodeKernels.ResidualNorm(a.Row(thread, r), b.Row(thread, r), sum.Row(thread, r), gain, bias, to.Row(thread, r), width, kind);
    }
}

/// <summary>Heads rotated.</summary>
internal sealed unsafe class RotateStep(int heads, int headSize, Operand x, Operand angles, Operand to) : PlanStep
{
    public override void Run(int thread, int first, int last)
    {
        for (var r = first; r < last; r++)
            DecodeKernels.Rotate(x.Row(thread, r), angles.Row(thread, r), to.Row(thread, r), heads, headSize);
    }
}
