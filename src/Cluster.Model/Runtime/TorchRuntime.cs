using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using TorchSharp;

namespace Cluster.Model.Runtime;

/// <summary>
/// Loads libtorch once per process, before anything touches <c>torch</c>. It loads the native files itself: when TorchSharp's own
/// search fails it copies 470 MB of packages beside the program instead of saying what is missing.
/// </summary>
public static class TorchRuntime
{
    private static readonly Lock s_gate = new();
    private static bool s_loaded;

    /// <summary>Prepares the environment and loads the natives; returns at once when that is done. Safe from any thread.</summary>
    /// <exception cref="UserErrorException">The native libraries are not there or do not load.</exception>
    public static void EnsureLoaded()
    {
        lock (s_gate)
        {
            if (s_loaded)
                return;
            try
            {
                if (OperatingSystem.IsLinux())
                    LoadOnLinux();
                torch.set_grad_enabled(false);
                torch.set_num_threads(1);
            }
            catch (Exception error) when (error is DllNotFoundException or TypeInitializationException or BadImageFormatException or NotSupportedException or FileNotFoundException)
            {
                throw new UserErrorException(
                    $"The native tensor library does not load: {(error.InnerException ?? error).Message.ReplaceLineEndings(" ")}",
                    "Run `cluster doctor`; on Linux libstdc++6 of GCC 12 or newer and libgomp are needed, on x64 only.", error);
            }

            s_loaded = true;
        }
    }

    /// <summary>Sets the threads of one operation for the calling thread and checks that the setting took.</summary>
    /// <exception cref="UserErrorException">The library runs another number of threads.</exception>
    public static void SetThreads(int threads)
    {
        // A thread's first call of anything parallel takes the number that any thread has set last: that call is made here, before the setting.
        _ = torch.get_num_threads();
        torch.set_num_threads(threads);
        if (torch.get_num_threads() != threads)
            throw new UserErrorException($"threads_per_replica is {threads}, but the tensor library runs {torch.get_num_threads()}.",
                "Unset OMP_NUM_THREADS and MKL_NUM_THREADS, or ask for as many threads as they allow.");
    }

    private static void LoadOnLinux()
    {
        // Page faults on freshly mapped buffers cost a quarter of a step; huge pages recover it (libtorch reads this at its first allocation).
        _ = SetEnvironment("THP_MEM_ALLOC_ENABLE", "1", 0);
        foreach (var folder in (string[])[AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native")])
        {
            if (!File.Exists(Path.Combine(folder, "libLibTorchSharp.so")))
                continue;
            NativeLibrary.Load(Path.Combine(folder, "libtorch_cpu.so"));
            NativeLibrary.Load(Path.Combine(folder, "libtorch.so"));
            var library = NativeLibrary.Load(Path.Combine(folder, "libLibTorchSharp.so"));
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => name == "LibTorchSharp" ? library : 0);
            return;
        }

        throw new FileNotFoundException($"libLibTorchSharp.so is not beside the program in {AppContext.BaseDirectory}");
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false)]
    private static extern int SetEnvironment(string name, string value, int overwrite);
}
