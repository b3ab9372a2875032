namespace Cluster.Silo.Hosting.Gpu;

/// <summary>A GPU at a moment; a figure that the device or its driver does not give is null.</summary>
/// <param name="Id">Its UUID: the same in every process and after every restart.</param>
/// <param name="Name">Its model.</param>
/// <param name="Utilization">Share of the last moments in which a kernel ran, 0–1.</param>
/// <param name="MemoryUsed">Bytes.</param>
/// <param name="MemoryTotal">Bytes.</param>
/// <param name="Temperature">Of the die, degrees Celsius.</param>
/// <param name="Power">Watts.</param>
internal sealed record GpuFigures(
    string Id, string Name, double? Utilization, long? MemoryUsed, long? MemoryTotal, double? Temperature, double? Power);

/// <summary>The GPUs that this process sees.</summary>
internal interface IGpus
{
    /// <summary>How many there are.</summary>
    int Count { get; }

    /// <summary>Looks at all of them. From any thread.</summary>
    IReadOnlyList<GpuFigures> Read();
}
