namespace Cluster.Core.Tests.Checkpoints;

/// <summary>A test that needs a file which only Linux has.</summary>
internal sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute()
    {
        if (!OperatingSystem.IsLinux())
            Skip = "Needs /dev/full and /proc.";
    }
}
