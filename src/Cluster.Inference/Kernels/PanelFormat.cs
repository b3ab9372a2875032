using Cluster.Inference.Managed;

namespace Cluster.Inference.Kernels;

/// <summary>A way to store weight matrices: what makes <see cref="PanelMatrix"/> of fp32 weights.</summary>
internal abstract unsafe class PanelFormat
{
    /// <summary>Bytes of memory that <see cref="Pack"/> needs for a matrix.</summary>
    public abstract long Bytes(int outputs, int inputs);

    /// <summary>Stores a matrix.</summary>
    /// <param name="weights">[outputs, inputs], row-major; not kept.</param>
    /// <param name="outputs">A multiple of 16.</param>
    /// <param name="inputs">At least 1.</param>
    /// <param name="memory"><see cref="Bytes"/> bytes on a 64-byte bound, alive as long as the result.</param>
    public abstract PanelMatrix Pack(ReadOnlySpan<float> weights, int outputs, int inputs, void* memory);

    /// <summary>The format of a precision.</summary>
    public static PanelFormat Of(DecodePrecision precision) => precision switch
    {
        DecodePrecision.Fp32 => new Widened<Fp32Weight>(),
        DecodePrecision.Bf16 => new Widened<Bf16Weight>(),
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, null),
    };

    /// <summary>Weights that are widened to fp32 one by one as they are read.</summary>
    private sealed class Widened<T> : PanelFormat
        where T : unmanaged, IPanelWeight<T>
    {
        public override long Bytes(int outputs, int inputs) => PanelMatrix<T>.PackedCount(outputs, inputs) * sizeof(T);

        public override PanelMatrix Pack(ReadOnlySpan<float> weights, int outputs, int inputs, void* memory) =>
            new PanelMatrix<T>(weights, outputs, inputs, (T*)memory);
    }
}
