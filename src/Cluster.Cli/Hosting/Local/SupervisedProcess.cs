using Cluster.ServiceDefaults;

namespace Cluster.Cli.Hosting.Local;

/// <summary>
/// This process as one that <c>up</c> started: it ends with its supervisor, however that ends, and leaves Ctrl-C to it. The supervisor
/// holds the other end of this process's standard input, which the system closes when nobody holds it any more.
/// </summary>
internal static class SupervisedProcess
{
    /// <summary>Set to 1 for a supervised process.</summary>
    public const string Variable = "CLUSTER_SUPERVISED";

    // The silos leave the membership table when they end, and the store should be there for that.
    private static readonly TimeSpan s_storeStays = TimeSpan.FromSeconds(5), s_patience = TimeSpan.FromSeconds(20);

    /// <summary>Does nothing in a process that the user started.</summary>
    /// <param name="environment">Standard input and the environment.</param>
    /// <param name="isStore">Whether others need this process for their end.</param>
    public static void Enter(CliEnvironment environment, bool isStore = false)
    {
        if (environment.Variable(Variable) != "1")
            return;
        Posix.LeaveTerminal();
        var stay = isStore ? s_storeStays : TimeSpan.Zero;
        new Thread(() => WaitForSupervisor(environment.Input, stay)) { IsBackground = true, Name = "supervisor" }.Start();
    }

    private static void WaitForSupervisor(Stream input, TimeSpan stay)
    {
        Span<byte> buffer = stackalloc byte[64];
        while (input.Read(buffer) > 0)
        {
        }

        Thread.Sleep(stay);
        Posix.Terminate(Environment.ProcessId);
        Thread.Sleep(s_patience);
        Environment.Exit(1);
    }
}
