using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Cluster.Cli.Diagnostics;

namespace Cluster.Cli.Tests.Diagnostics;

public class DoctorTests
{
    [Theory]
    [InlineData(25_000_000_000, CheckStatus.Ok)]
    [InlineData(2_000_000_000, CheckStatus.Warning)]
    [InlineData(500_000_000, CheckStatus.Failure)]
    public void Memory_Bytes_AreJudged(long bytes, CheckStatus status) => AssertIs(status, Doctor.Memory(bytes));

    [Theory]
    [InlineData(80_000_000_000, CheckStatus.Ok)]
    [InlineData(900_000_000, CheckStatus.Warning)]
    [InlineData(0, CheckStatus.Failure)]
    public void Disk_FreeBytes_AreJudged(long bytes, CheckStatus status) => AssertIs(status, Doctor.Disk(bytes, "/runs"));

    [Theory]
    [InlineData(false, false, CheckStatus.Ok)]
    [InlineData(true, true, CheckStatus.Ok)]
    [InlineData(true, false, CheckStatus.Warning)]
    [InlineData(false, true, CheckStatus.Warning)]
    public void Cuda_GpuAndBuild_AreCompared(bool gpu, bool build, CheckStatus status) => AssertIs(status, Doctor.Cuda(gpu, build));

    [Fact]
    public void Platform_WithoutNatives_IsFailure()
    {
        AssertIs(CheckStatus.Ok, Doctor.Platform("Debian", Architecture.X64, linux: true, mac: false, windows: false));
        AssertIs(CheckStatus.Failure, Doctor.Platform("Debian", Architecture.Arm64, linux: true, mac: false, windows: false));
        AssertIs(CheckStatus.Warning, Doctor.Platform("macOS", Architecture.Arm64, linux: false, mac: true, windows: false));
        AssertIs(CheckStatus.Failure, Doctor.Platform("macOS", Architecture.X64, linux: false, mac: true, windows: false));
    }

    [Fact]
    public void Writable_Error_IsFailureThatNamesIt()
    {
        var check = Doctor.Writable("/runs", "Read-only file system");
        AssertIs(CheckStatus.Failure, check);
        Assert.Contains("Read-only file system", check.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Examine_FolderThatCannotBeWritten_IsFailure()
    {
        // Nobody writes there, not even root.
        var report = Doctor.Examine(new DoctorOptions("/proc/runs", []));
        if (OperatingSystem.IsLinux())
            Assert.Equal(CheckStatus.Failure, report.Checks.Single(check => check.Name == "runs_folder").Status);
    }

    [Fact]
    public void IsPortFree_Listener_IsNot()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Assert.False(Doctor.IsPortFree(port));
        listener.Stop();
        Assert.True(Doctor.IsPortFree(port));
    }

    [Fact]
    public void SdkVersions_OfRuntimeDirectory_AreTheRoots()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.In("sdk/10.0.401"));
        Directory.CreateDirectory(folder.In("sdk/NuGetFallbackFolder"));
        Assert.Equal(["10.0.401"], Doctor.SdkVersions(folder.In("shared/Microsoft.NETCore.App/10.0.12")));
        Assert.Empty(Doctor.SdkVersions(folder.In("elsewhere/a/b/c/d")));
    }

    private static void AssertIs(CheckStatus status, DoctorCheck check)
    {
        Assert.Equal(status, check.Status);
        Assert.Equal(status == CheckStatus.Ok, check.Remedy is null);
    }
}
