using System.Net;
using System.Net.Sockets;

namespace Cluster.ServiceDefaults;

/// <summary>
/// Loopback ports for listeners that take no socket, only a number. They are none that the system gives out by itself, to connections and to
/// whoever asks for any port (Linux: 32768–60999): between the choice and the listening such a one could become another's at any moment.
/// </summary>
public static class Ports
{
    /// <summary>The first that is given.</summary>
    public const int First = 20_000;

    /// <summary>How many there are.</summary>
    public const int Count = 10_000;

    // Processes that are started one after another begin far apart.
    private const int Stride = 97;
    private static int s_next = (int)((long)Environment.ProcessId * Stride % Count);

    /// <summary>
    /// One that nobody listens on now and that this process has not been given lately. Another process may still be quicker; whoever
    /// starts processes takes another port then (<see cref="ExitCodes.PortOccupied"/>).
    /// </summary>
    /// <exception cref="IOException">None is free.</exception>
    public static int Free()
    {
        for (var i = 0; i < Count; i++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref s_next) % Count);
            if (IsFree(port))
                return port;
        }

        throw new IOException($"No port from {First} to {First + Count - 1} is free.");
    }

    /// <summary>Whether nobody listens on a port of this machine's loopback now.</summary>
    public static bool IsFree(int port)
    {
        try
        {
            using var socket = HttpSocket.Listen(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
