using System.Runtime.InteropServices;

namespace Cluster.ServiceDefaults;

/// <summary>What .NET has no call for. On Windows only <see cref="Kill"/> does something, and <see cref="Terminate"/> does the same.</summary>
public static partial class Posix
{
    private const int SigTerm = 15;

    // Linux's numbers; macOS has others.
    private static readonly (int Stop, int Continue) s_jobControl = OperatingSystem.IsLinux() ? (19, 18) : (17, 19);

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

    /// <summary>Has a process hang (SIGSTOP), as one whose machine stands still.</summary>
    public static void Stop(int pid) => Signal(pid, s_jobControl.Stop);

    /// <summary>Lets it go on (SIGCONT).</summary>
    public static void Continue(int pid) => Signal(pid, s_jobControl.Continue);

    /// <summary>Leaves the terminal's process group, so that a Ctrl-C meant for the parent is the parent's alone.</summary>
    public static void LeaveTerminal()
    {
        if (!OperatingSystem.IsWindows())
            _ = SetSid();
    }

    private static void Signal(int pid, int signal)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("Windows cannot stop a process and let it go on.");
        _ = NativeKill(pid, signal);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int NativeKill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "setsid")]
    private static partial int SetSid();
}
