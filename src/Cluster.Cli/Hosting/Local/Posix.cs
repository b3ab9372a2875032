using System.Runtime.InteropServices;

namespace Cluster.Cli.Hosting.Local;

/// <summary>What .NET has no call for. On Windows only <see cref="Kill"/> does something, and <see cref="Terminate"/> does the same.</summary>
internal static partial class Posix
{
    private const int SigTerm = 15;

    /// <summary>Asks a process to end (SIGTERM); one that is gone already is as good.</summary>
    public static void Terminate(int pid)
    {
        if (OperatingSystem.IsWindows())
            Kill(pid);
        else
            _ = NativeKill(pid, SigTerm);
    }

    /// <summary>Ends a process at once (SIGKILL); one that is gone already is as good.</summary>
    public static void Kill(int pid)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            process.Kill();
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException)
        {
            // Gone.
        }
    }

    /// <summary>Leaves the terminal's process group, so that a Ctrl-C meant for the parent is the parent's alone.</summary>
    public static void LeaveTerminal()
    {
        if (!OperatingSystem.IsWindows())
            _ = SetSid();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int NativeKill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "setsid")]
    private static partial int SetSid();
}
