namespace Cluster.Inference.Managed.Steps;

/// <summary>Where a value's rows lie. A private value has a copy for each thread, which computes and reads its own; a shared one has one.</summary>
/// <param name="start">The first row of the first thread.</param>
/// <param name="stride">Floats from a row to the next.</param>
/// <param name="perThread">Floats from a thread's copy to the next one's; 0 for a shared value.</param>
internal readonly unsafe struct Operand(float* start, int stride, long perThread)
{
    /// <summary>A row as a thread sees it.</summary>
    public float* Row(int thread, int row) => start + thread * perThread + (long)row * stride;

    /// <summary>Part of the value.</summary>
    public Operand From(int offset) => new(start + offset, stride, perThread);
}
