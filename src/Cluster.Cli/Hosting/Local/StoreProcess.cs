using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cluster.Cli.Diagnostics;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Garnet;

namespace Cluster.Cli.Hosting.Local;

/// <summary>
/// A store for one machine: Garnet in this process, on loopback. Every write is on its way to the disk before it is answered, so the
/// data outlive the process however it ends.
/// </summary>
public static class StoreProcess
{
    /// <summary>Name of the process in its <see cref="ReadyLine"/>.</summary>
    public const string Name = "store";

    /// <summary>Runs until it is cancelled.</summary>
    /// <param name="port">The port.</param>
    /// <param name="folder">Its data; made if missing.</param>
    /// <param name="output">Gets the ready line.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The process's exit code.</returns>
    /// <exception cref="UserErrorException">The port is occupied.</exception>
    public static async Task<int> RunAsync(int port, string folder, TextWriter output, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        if (!Doctor.IsPortFree(port))
            throw Occupied(port, null);
        using var server = new GarnetServer(Arguments(port, folder));
        try
        {
            server.Start();
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw Occupied(port, error);
        }

        await output.WriteLineAsync(ReadyLine.Of(Name, new IPEndPoint(IPAddress.Loopback, port)));
        await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return 0;
    }

    private static string[] Arguments(int port, string folder) =>
    [
        "-q", "--logger-level", "Warning",
        "--bind", IPAddress.Loopback.ToString(), "--port", port.ToString(CultureInfo.InvariantCulture),
        // Grain storage compares and writes in a script, which is atomic only as a transaction.
        "--lua", "--lua-transaction-mode",
        "--aof", "--aof-commit-freq", "0", "--checkpointdir", folder, "--recover",
        // The default native device crashes a process that was published for one runtime.
        "--device-type", "RandomAccess",
        // A few hundred records: the defaults are for gigabytes.
        "--memory", "64m", "--index", "1m", "--aof-memory", "32m", "--aof-page-size", "4m", "--page", "1m",
    ];

    private static UserErrorException Occupied(int port, Exception? inner) =>
        new($"Port {port} is occupied by another process.", "Give the store another one.", inner);
}
