using System.Diagnostics;
using System.Globalization;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A process that cannot be mistaken for a later one with the same number.</summary>
/// <param name="Pid">Its number.</param>
/// <param name="Began">When it began, in the system's own words.</param>
public sealed record ProcessIdentity(int Pid, string Began)
{
    /// <summary>This process.</summary>
    public static ProcessIdentity OfThis() => Of(Environment.ProcessId) ?? throw new InvalidOperationException("This process has no start time.");

    /// <summary>The process with a number, or null if there is none.</summary>
    public static ProcessIdentity? Of(int pid) => BeganAt(pid) is { } began ? new ProcessIdentity(pid, began) : null;

    /// <summary>Whether it still runs.</summary>
    public bool IsAlive() => BeganAt(Pid) == Began;

    /// <summary>Waits until it does not.</summary>
    public async Task WaitForEndAsync(CancellationToken cancellation)
    {
        while (IsAlive())
            await Task.Delay(20, cancellation);
    }

    private static string? BeganAt(int pid) => OperatingSystem.IsLinux() ? FromProc(pid) : FromRuntime(pid);

    /// <summary>Ticks since the machine started: exact, where the runtime's wall clock time is computed anew by each reader.</summary>
    private static string? FromProc(int pid)
    {
        try
        {
            // The name in parentheses may hold anything; state is the first field behind it, the start the twentieth.
            var text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? FromRuntime(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.StartTime.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
