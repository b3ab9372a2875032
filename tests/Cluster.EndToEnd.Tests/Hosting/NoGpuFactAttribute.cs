namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A test of what happens without a GPU; skipped where NVIDIA's driver is loaded.</summary>
public sealed class NoGpuFactAttribute : FactAttribute
{
    public NoGpuFactAttribute()
    {
        if (File.Exists("/dev/nvidiactl"))
            Skip = "This machine has NVIDIA's driver.";
    }
}
