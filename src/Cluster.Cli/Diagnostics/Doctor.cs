// Enters: this machine. Leaves: a list of checks, each with what to do. Does not know: consoles, runs.
// Each check is a judgement (a pure function of what was found, tested as such) and a probe that finds it.

using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Model.Runtime;

namespace Cluster.Cli.Diagnostics;

/// <summary>Looks at everything that a run needs of the machine.</summary>
public static class Doctor
{
    private const long Gigabyte = 1_000_000_000;

    /// <summary>All checks; none of them changes anything.</summary>
    public static DoctorReport Examine(DoctorOptions options)
    {
        var tensors = Tensors();
        List<DoctorCheck> checks =
        [
            Runtime(Environment.Version, RuntimeInformation.FrameworkDescription),
            Sdk(SdkVersions(RuntimeEnvironment.GetRuntimeDirectory())),
            Platform(RuntimeInformation.OSDescription, RuntimeInformation.OSArchitecture, OperatingSystem.IsLinux(), OperatingSystem.IsMacOS(), OperatingSystem.IsWindows()),
        ];
        if (OperatingSystem.IsLinux())
        {
            checks.Add(Library("libstdc++", "libstdc++.so.6", "libstdc++6", tensors.Status));
            checks.Add(Library("libgomp", "libgomp.so.1", "libgomp1", tensors.Status));
        }

        checks.Add(tensors);
        checks.Add(Vectors(VectorBits(), HasBf16()));
        checks.Add(Cores(Environment.ProcessorCount));
        checks.Add(Memory(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes));
        var folder = ExistingAncestor(options.RunsFolder);
        checks.Add(Disk(FreeBytes(folder), folder));
        checks.Add(Writable(options.RunsFolder, WriteError(folder)));
        checks.AddRange(options.Ports.Select(port => Port(port, IsPortFree(port))));
        checks.Add(Cuda(HasGpu(), HasCudaBuild()));
        checks.Add(ReferencePacks());
        return DoctorReport.Of(checks);
    }

    /// <summary>Whether nothing listens at a loopback port.</summary>
    public static bool IsPortFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
        }
        catch (SocketException)
        {
            return false;
        }

        // A socket bound to every address does not stop a bind to one of them on every system.
        return !Array.Exists(IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), endpoint => endpoint.Port == port);
    }

    internal static DoctorCheck Runtime(Version version, string description) => version.Major >= 10
        ? new("runtime", description, CheckStatus.Ok)
        : new("runtime", description, CheckStatus.Failure, "Install .NET 10.");

    internal static DoctorCheck Sdk(IReadOnlyList<string> versions) => versions.Any(version => version.StartsWith("10.", StringComparison.Ordinal))
        ? new("sdk", string.Join(", ", versions), CheckStatus.Ok)
        : new("sdk", versions.Count == 0 ? "none found" : string.Join(", ", versions), CheckStatus.Warning,
            "Install the .NET 10 SDK to build from source and for the corpus of the demo; the program itself needs the runtime only.");

    internal static DoctorCheck Platform(string description, Architecture architecture, bool linux, bool mac, bool windows)
    {
        var value = $"{description}, {architecture}";
        return (linux || windows) && architecture == Architecture.X64 ? new("system", value, linux ? CheckStatus.Ok : CheckStatus.Warning,
                linux ? null : "Works as far as it was tried; Linux on x64 is what is tested.")
            : mac && architecture == Architecture.Arm64 ? new("system", value, CheckStatus.Warning, "Works as far as it was tried; Linux on x64 is what is tested.")
            : new("system", value, CheckStatus.Failure, "The native tensor library exists for Linux and Windows on x64 and macOS on arm64: use one of them.");
    }

    internal static DoctorCheck Vectors(int bits, bool bf16)
    {
        var value = $"{bits} bits, {(bf16 ? "bf16 products in hardware" : "no bf16 products")}";
        return bits >= 256
            ? new("vectors", value, CheckStatus.Ok)
            : new("vectors", value, CheckStatus.Warning, "Use a processor with AVX2 or AVX-512: training is several times slower without.");
    }

    internal static DoctorCheck Cores(int cores)
    {
        var value = $"{cores} for this process";
        return cores >= 2 ? new("cores", value, CheckStatus.Ok) : new("cores", value, CheckStatus.Warning, "Give it two or more: the demo takes its time for fewer steps.");
    }

    internal static DoctorCheck Memory(long bytes)
    {
        var value = $"{Figures.Bytes(bytes)} for this process";
        return bytes >= 3 * Gigabyte ? new("memory", value, CheckStatus.Ok)
            : bytes >= Gigabyte ? new("memory", value, CheckStatus.Warning, "Give it 3 GB for the demo, or a smaller corpus with --corpus.")
            : new("memory", value, CheckStatus.Failure, "Give it 1 GB at the least.");
    }

    internal static DoctorCheck Disk(long bytes, string folder)
    {
        var value = $"{Figures.Bytes(bytes)} free in {folder}";
        return bytes >= 2 * Gigabyte ? new("disk", value, CheckStatus.Ok)
            : bytes >= Gigabyte / 2 ? new("disk", value, CheckStatus.Warning, "Free some: a run writes its data and several checkpoints.")
            : new("disk", value, CheckStatus.Failure, "Free 500 MB at the least, or give a folder on another disk with --out.");
    }

    internal static DoctorCheck Writable(string folder, string? error) => error is null
        ? new("runs_folder", $"{folder} can be written", CheckStatus.Ok)
        : new("runs_folder", $"{folder} cannot be written: {error}", CheckStatus.Failure, "Make it writable for this user, or give another folder with --out.");

    internal static DoctorCheck Port(int port, bool free) => free
        ? new($"port_{port}", "free", CheckStatus.Ok)
        : new($"port_{port}", "in use", CheckStatus.Warning, "Nothing to do: a run takes another one and prints it, unless this one is asked for.");

    internal static DoctorCheck Cuda(bool gpu, bool cudaBuild) => (gpu, cudaBuild) switch
    {
        (true, true) => new("cuda", "GPU present, CUDA build", CheckStatus.Ok),
        (true, false) => new("cuda", "GPU present, CPU build", CheckStatus.Warning, "Build with -p:TorchBackend=cuda to link the tensor library for it."),
        (false, true) => new("cuda", "no GPU, CUDA build", CheckStatus.Warning, "Install the NVIDIA driver, or build without TorchBackend=cuda."),
        (false, false) => new("cuda", "no GPU, CPU build", CheckStatus.Ok),
    };

    internal static IReadOnlyList<string> SdkVersions(string runtimeDirectory)
    {
        // <root>/shared/Microsoft.NETCore.App/<version>/
        var folder = Path.Combine(Path.GetFullPath(Path.Combine(runtimeDirectory, "..", "..", "..")), "sdk");
        return !Directory.Exists(folder)
            ? []
            : [.. Directory.GetDirectories(folder).Select(path => Path.GetFileName(path)).Where(name => char.IsAsciiDigit(name[0])).Order(StringComparer.Ordinal)];
    }

    private static DoctorCheck Library(string name, string file, string package, CheckStatus tensors)
    {
        if (!NativeLibrary.TryLoad(file, out var handle))
        {
            // The tensor library may bring its own.
            return tensors == CheckStatus.Ok
                ? new DoctorCheck(name, "not found, not needed", CheckStatus.Ok)
                : new DoctorCheck(name, "not found", CheckStatus.Failure, $"Install it: apt-get install {package}");
        }

        var path = LoadedPath(file) ?? file;
        NativeLibrary.Free(handle);
        return new DoctorCheck(name, path, CheckStatus.Ok);
    }

    private static string? LoadedPath(string file)
    {
        try
        {
            return File.ReadLines("/proc/self/maps").Select(line => line[(line.LastIndexOf(' ') + 1)..])
                .FirstOrDefault(path => Path.GetFileName(path).StartsWith(file, StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static DoctorCheck Tensors()
    {
        try
        {
            TorchRuntime.EnsureLoaded();
            return new DoctorCheck("tensor_library", "loads", CheckStatus.Ok);
        }
        catch (UserErrorException error)
        {
            return new DoctorCheck("tensor_library", error.What, CheckStatus.Failure,
                "On Linux install libstdc++6 and libgomp1, on x64 only; if that is done, build again from a clean checkout.");
        }
    }

    private static int VectorBits() =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 64;

    // Intel SDM vol. 2A, CPUID leaf 7, sub-leaf 1: EAX bit 5 is AVX512_BF16.
    private static bool HasBf16() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && Vector512.IsHardwareAccelerated && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    private static string ExistingAncestor(string folder)
    {
        var path = Path.GetFullPath(folder);
        while (!Directory.Exists(path) && Path.GetDirectoryName(path) is { } parent)
            path = parent;
        return path;
    }

    private static long FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return 0;
        }
    }

    private static string? WriteError(string folder)
    {
        var probe = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $".cluster-doctor-{Environment.ProcessId}"));
        try
        {
            using var stream = new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 4_096, FileOptions.DeleteOnClose);
            stream.Write(new byte[4_096]);
            stream.Flush(flushToDisk: true);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return PlainText.OneLine(error.Message);
        }
    }

    private static bool HasGpu() => File.Exists("/dev/nvidia0") || (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Any(folder => File.Exists(Path.Combine(folder, OperatingSystem.IsWindows() ? "nvidia-smi.exe" : "nvidia-smi")));

    private static bool HasCudaBuild() => ((string[])["", Path.Combine("runtimes", "linux-x64", "native")])
        .Any(folder => File.Exists(Path.Combine(AppContext.BaseDirectory, folder, "libtorch_cuda.so")));

    private static DoctorCheck ReferencePacks()
    {
        try
        {
            var source = new DotnetReferenceSource();
            return new DoctorCheck("reference_packs", $"{Figures.Bytes(source.TotalBytes)}: {source.Description}", CheckStatus.Ok);
        }
        catch (UserErrorException error)
        {
            return new DoctorCheck("reference_packs", error.What, CheckStatus.Warning, error.Remedy);
        }
    }
}
