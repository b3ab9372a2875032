using System.Runtime.InteropServices;

namespace Cluster.Model.Tests.Build;

/// <summary>A test of what the build does on linux-x64 only.</summary>
public sealed class LinuxX64FactAttribute : FactAttribute
{
    public LinuxX64FactAttribute()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            Skip = "Only on linux-x64 does the build relax TorchSharp's native library.";
    }
}
